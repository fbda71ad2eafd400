import t from 'tap'
import { auditEntrySchema, auditPageSchema } from '../../../protocol/cluster/audit.ts'
import { composeAppointment, type Operator } from '../../../protocol/cluster/trust.ts'
import { authority, cluster, newWallet, signedBy } from '../../protocol/cluster/sample.ts'
import { running, signedIn } from './enroll/running.ts'
import { before, echo, here, off } from './played-node.ts'
import { operator } from './samples.ts'

const entry = (at: number) => ({
  at: '2026-11-21T08:00:00Z',
  who: 'anybody',
  what: `try ${at}`,
  outcome: 'stored',
  requestId: `r${at}`,
})

t.test('an operator reads who signed in and what was asked, page by page', async t => {
  const gateway = await running(t)
  const headers = await signedIn(gateway)
  for (const at of [1, 2, 3]) await gateway.registry.audit.append(entry(at))
  const read = async (query: string) => {
    const { status, body } = await gateway.ask('GET', `/v1/operator/audit${query}`, { headers })
    t.equal(status, 200, body)
    return auditPageSchema.parse(JSON.parse(body))
  }
  const { entries, cursor } = await read('?lines=2')
  t.same(entries, [entry(3), entry(2)])
  const rest = await read(`?before=${cursor ?? ''}`)
  t.match(rest.entries, [entry(1), { who: authority.address, what: 'sign in', outcome: 'signed in' }])
  t.match(rest.entries[1]?.requestId, /^[0-9a-f]{16}$/)
  t.equal(rest.cursor, undefined)
  const lines = await gateway.logged(2)
  t.match(lines[1], { route: 'POST /v1/operator/login', operator: authority.address })
})

const stamped = { at: '2026-11-21T08:00:00Z', requestId: 'r1' }

const queries = [
  'lines=0',
  'lines=257',
  'lines=x',
  'lines=-1',
  'before=0',
  'before=1e3',
  'more=1',
  'lines=1&lines=2',
]
for (const query of queries)
  t.test(`the audit is refused with 400: ${query}`, async t => {
    const gateway = await running(t)
    const headers = await signedIn(gateway)
    t.equal((await gateway.ask('GET', `/v1/operator/audit?${query}`, { headers })).status, 400)
  })

t.test('the audit is for operators alone', async t => {
  t.equal((await (await running(t)).ask('GET', '/v1/operator/audit')).status, 401)
})

const order = { text: 'OramaOS order v1', signature: `0x${'0'.repeat(130)}` }
const appointing = (operators: readonly Operator[]) => {
  const text = composeAppointment({ cluster, number: 7, operators, issued: '2026-11-21T08:00:00Z' })
  return signedBy(authority, text)
}
const retired = '2026-11-21T08:00:00Z'
const list = appointing([{ address: operator.address }, { address: authority.address, retired }])
const all = Array.from({ length: 16 }, () => newWallet().address)
const full = appointing(all.map(address => ({ address, retired })))
const whole = `command appoint list 7: ${all.map(one => `dismissed ${one}`).join(', ')}`
const { nodeId } = here
const asked: readonly (readonly [string, string, object | undefined, string | undefined, string])[] = [
  [
    'command',
    nodeId,
    { action: 'restart', service: 'rqlite' },
    'command restart rqlite',
    'the node answered 403',
  ],
  ['command', nodeId, { action: 'hold', order }, 'command hold', 'the node answered 403'],
  [
    'command',
    nodeId,
    { action: 'appoint', order: list },
    `command appoint list 7: ${operator.address}, dismissed ${authority.address}`,
    'the node answered 403',
  ],
  ['command', nodeId, { action: 'appoint', order: full }, whole, 'the node answered 403'],
  ['command', nodeId, { action: 'appoint', order }, 'command appoint', 'the node answered 403'],
  ['command', nodeId, { action: 'operators' }, undefined, ''],
  ['leave', nodeId, { order }, 'leave', 'the node answered 403'],
  ['unlock', nodeId, { order, box: 'AAAA' }, undefined, ''],
  ['leave', off.nodeId, { order }, 'leave', 'the node cannot be reached'],
  ['command', nodeId, { action: 'status' }, undefined, ''],
  ['status', nodeId, undefined, undefined, ''],
  ['logs', nodeId, undefined, undefined, ''],
]
for (const [route, node, body, what, outcome] of asked)
  t.test(`${route} of ${JSON.stringify(body)} is noted as ${what ?? 'nothing'}: ${outcome}`, async t => {
    const noted: object[] = []
    const { ask, bearer } = await before(
      t,
      (request, response) => {
        response.statusCode = 403
        echo(request, response)
      },
      { note: async (visit, facts) => void noted.push({ who: visit.who, ...facts }) },
    )
    await ask(body === undefined ? 'GET' : 'POST', `/v1/node/${route}?node_id=${node}`, {
      headers: bearer,
      ...(body && { body: JSON.stringify(body) }),
    })
    t.match(noted, what === undefined ? [] : [{ who: /^0x/, node, what, outcome }])
    t.equal(noted.length, what === undefined ? 0 : 1)
    for (const facts of noted)
      t.ok(auditEntrySchema.safeParse({ ...stamped, ...facts }).success, 'it can be stored')
  })

t.test("an unlock that the node carried out is noted as its owner's, who need not sign in", async t => {
  const noted: object[] = []
  const note = async (_: unknown, facts: object) => void noted.push(facts)
  const { ask } = await before(t, echo, { note })
  const body = JSON.stringify({ order, box: 'AAAA' })
  await ask('POST', `/v1/node/unlock?node_id=${nodeId}`, { body })
  t.same(noted, [{ who: authority.address, node: nodeId, what: 'unlock', outcome: 'the node answered 200' }])
})
