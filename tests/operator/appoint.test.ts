import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { carryOut } from '../../agent/node/acts.ts'
import { HttpError } from '../../http/error.ts'
import { composeAppointment, type Operator } from '../../protocol/cluster/trust.ts'
import { commandSchema } from '../../protocol/requests.ts'
import { memberNode } from '../agent/node/cluster-side.ts'
import { genesisRecord, newWallet, signedBy, type TestWallet } from '../protocol/cluster/sample.ts'
import { cluster } from './gateway.ts'
import { answer } from './node.ts'
import { keepJoined, proxied } from './proxied.ts'
import { orama, owner, ownerKey, writeWallet } from './support.ts'

const way = ['--env', 'home', '--passphrase-fd', '3']
const [first, second] = [newWallet(), newWallet()]
const issued = '2026-11-21T08:00:00Z'
const authority: TestWallet = { key: ownerKey, address: owner }
const listed = (number: number, operators: readonly Operator[], by = authority) =>
  signedBy(by, composeAppointment({ cluster, number, operators, issued }))

/** A cluster of which one node answers, by the agent's own code, behind the gateway's own. */
async function appointable(t: Test, ofAuthority = owner) {
  const { node: agent } = memberNode(1, { authority: ofAuthority })
  const answers: Record<string, (response: ServerResponse) => void> = {}
  const place = await proxied(t, answers)
  const sent: string[] = []
  const asked = (response: ServerResponse) => {
    const command = commandSchema.parse(JSON.parse(place.node.requests.at(-1)?.body ?? ''))
    if (command.action === 'appoint') sent.push(command.order?.text ?? '')
    carryOut(agent, command).then(
      body => {
        answer(200, body)(response)
      },
      (error: unknown) => {
        const { status, message, hint } = error as HttpError
        answer(status, { error: message, hint })(response)
      },
    )
  }
  answers['POST /v1/agent/command'] = asked
  const operator = (...words: readonly string[]) => orama(place.setting, 'operator', ...words)
  const tell = (order: ReturnType<typeof listed>) => carryOut(agent, { action: 'appoint', order })
  const known = () => agent.view.membership().trust
  const saved = () => readdir(join(place.config, 'operators')).catch(() => [])
  return { ...place, answers, asked, operator, tell, known, sent, saved }
}

t.test('operators are appointed, listed and dismissed, by a node that answers', async t => {
  const { node, operator, known, sent, config } = await appointable(t)
  const ran = await operator('appoint', first.address, second.address.toLowerCase(), ...way)
  t.equal(ran.code, 0, ran.err)
  t.match(ran.out, `Node ${node.nodeId} has taken it; the cluster hears of it (list 1)`)
  t.match(ran.err, sent[0]?.replace(/^/gm, '  '), 'what is signed is shown')
  t.match(known(), { number: 1, operators: [{ address: first.address }, { address: second.address }] })
  t.equal((await operator('dismiss', first.address, ...way)).code, 0)
  const operators = [{ address: first.address, retired: '2026-11-21T08:01:00Z' }, { address: second.address }]
  t.match(known(), { number: 2, operators })
  const json = JSON.parse((await operator('list', '--json', ...way)).out) as unknown
  t.same(json, { cluster, authority: owner, number: 2, operators })
  t.equal(
    (await operator('list', ...way)).out,
    [
      'address                                     as',
      `${owner}  authority`,
      `${first.address}  dismissed at 2026-11-21T08:01:00Z`,
      `${second.address}  operator\n`,
    ].join('\n'),
  )
  const file = await readFile(join(config, 'operators', `${cluster}.json`), 'utf8')
  t.match(JSON.parse(file), { v: 1, cluster, appointment: { text: sent[1] } })
})

t.test('over WireGuard too: whose cluster it is says the grant of the node', async t => {
  const { node, config, known } = await appointable(t)
  const grant = signedBy(authority, genesisRecord({ grant: { authority: owner } }).grant.text)
  await keepJoined(config, node, grant)
  const setting = { config, ports: { 9998: node.port } }
  const direct = ['--node-ip', '127.0.0.1', '--passphrase-fd', '3']
  const ran = await orama(setting, 'operator', 'appoint', first.address, ...direct)
  t.equal(ran.code, 0, ran.err)
  t.match(known(), { number: 1, operators: [{ address: first.address }] })
  t.match((await orama(setting, 'operator', 'list', ...direct)).out, first.address)
})

t.test(
  'what is so already is not signed again, and a lost answer is made good by the same command',
  async t => {
    const { operator, answers, asked, known, sent } = await appointable(t)
    answers['POST /v1/agent/command'] = response => {
      if (sent.length === 1) asked(response)
      else response.destroy()
      if (sent.length === 0) answers['POST /v1/agent/command'] = asked
    }
    const lost = await operator('appoint', first.address, ...way)
    t.equal(lost.code, 4, lost.err)
    t.equal((await operator('appoint', first.address, ...way)).code, 0)
    const again = await operator('appoint', first.address, ...way)
    t.match(again, { code: 0, out: /That is so already \(list 1\)/ })
    t.same([known().number, sent.length], [1, 1])
    t.equal((await operator('dismiss', first.address, ...way)).code, 0)
    t.match((await operator('dismiss', first.address, ...way)).out, /That is so already \(list 2\)/)
  },
)

const crowd = Array.from({ length: 17 }, () => newWallet().address)
const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['no address', ['appoint'], /Whose address/],
  ['what is no address', ['appoint', '0x12'], /Cannot read the addresses/],
  ['an address with a wrong digit', ['appoint', first.address.slice(0, -1)], /Cannot read the addresses/],
  ['the authority', ['appoint', owner], /is the authority/],
  ['too many', ['appoint', ...crowd], /room for 16/],
  ['who was dismissed', ['appoint', second.address], /was dismissed at 2026/],
  ['who never was an operator', ['dismiss', newWallet().address], /is no operator/],
  ['the authority as one to dismiss', ['dismiss', owner], /is no operator/],
]
for (const [what, words, why] of wrong)
  t.test(`refused before anything is signed: ${what}`, async t => {
    const { operator, tell, sent, saved } = await appointable(t)
    await tell(listed(1, [{ address: first.address }, { address: second.address, retired: issued }]))
    t.match(await operator(...words, ...way), { code: 2, err: why })
    t.same([sent, (await saved()).filter(one => one.endsWith('.json'))], [[], []])
  })

t.test('who was dismissed is an operator again by --again alone', async t => {
  const { operator, tell, known } = await appointable(t)
  await tell(listed(1, [{ address: second.address, retired: issued }]))
  t.equal((await operator('appoint', second.address, '--again', ...way)).code, 0)
  t.match(known().operators, [{ address: second.address, retired: undefined }])
})

t.test('a wallet that is not the authority sends nothing, an operator’s neither', async t => {
  const { node, gateway, operator, tell, config } = await appointable(t)
  await tell(listed(1, [{ address: first.address }]))
  await writeWallet(join(config, 'first.json'), first.key)
  for (const action of ['appoint', 'dismiss']) {
    const ran = await operator(action, first.address, '--wallet', join(config, 'first.json'), ...way)
    t.match(ran, {
      code: 2,
      err: `Only the authority of the cluster, ${owner}, appoints; this is ${first.address}`,
    })
  }
  t.same([node.requests, gateway.asked], [[], []])
})

t.test('a node that is of another authority refuses, and says whose', async t => {
  const { operator, known } = await appointable(t, second.address)
  const ran = await operator('appoint', first.address, ...way)
  t.match(ran, { code: 3, err: `the authority is ${second.address}` })
  t.equal(known().number, 0)
})

const lies: readonly (readonly [string, object])[] = [
  ['a list of an operator', { appointment: listed(1, [{ address: first.address }], first) }],
  ['a list that was changed', { appointment: { ...listed(2, []), text: listed(1, []).text } }],
  [
    'a list of another cluster',
    {
      appointment: signedBy(
        authority,
        composeAppointment({ cluster: '0b'.repeat(16), number: 1, operators: [], issued }),
      ),
    },
  ],
]
for (const [what, said] of lies)
  t.test(`a node that shows ${what} is an impostor, and nothing is signed`, async t => {
    const { operator, answers, sent, saved } = await appointable(t)
    answers['POST /v1/agent/command'] = answer(200, said)
    for (const words of [['appoint', second.address], ['list']])
      t.match(await operator(...words, ...way), { code: 5, err: /Nothing was signed/ })
    t.same([sent, (await saved()).filter(one => one.endsWith('.json'))], [[], []])
  })

t.test('no number is used twice where a node keeps the newest list back', async t => {
  const { operator, answers, asked, known, sent } = await appointable(t)
  await operator('appoint', first.address, ...way)
  answers['POST /v1/agent/command'] = response => {
    if (sent.length === 1) answer(200, {})(response)
    answers['POST /v1/agent/command'] = asked
  }
  const ran = await operator('appoint', second.address, ...way)
  t.match(ran, { code: 0, err: /List 1 was signed here, and the node that answered knows list 0/ })
  t.match(known(), { number: 2, operators: [{ address: first.address }, { address: second.address }] })
})

t.test('two lists with one number, signed on two machines, become one', async t => {
  const { operator, tell, known, config } = await appointable(t)
  await operator('list', ...way)
  await tell(listed(1, [{ address: first.address }]))
  const file = join(config, 'operators', `${cluster}.json`)
  await operator('dismiss', first.address, ...way)
  const here = listed(2, [{ address: first.address }, { address: second.address }])
  await writeFile(file, JSON.stringify({ v: 1, cluster, appointment: here }))
  const third = newWallet().address
  t.equal((await operator('appoint', third, ...way)).code, 0)
  t.match(known(), {
    number: 3,
    operators: [{ address: first.address, retired: /2026/ }, { address: second.address }, { address: third }],
  })
})

t.test('a damaged file of what was signed ends it', async t => {
  const { operator, config, sent } = await appointable(t)
  await operator('appoint', first.address, ...way)
  await writeFile(join(config, 'operators', `${cluster}.json`), '{}')
  t.match(await operator('appoint', second.address, ...way), {
    code: 1,
    err: /Cannot read list of operators/,
  })
  t.equal(sent.length, 1)
})
