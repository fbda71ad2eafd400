import t from 'tap'
import type { AuditPage } from '../../protocol/cluster/audit.ts'
import { auditRoutes } from '../../services/gateway/audit-routes.ts'
import { someNodeId } from '../protocol/cluster/sample.ts'
import { withGateway } from './gateway.ts'
import { orama, owner } from './support.ts'

const line = ['monitor', 'audit', '--env', 'home', '--passphrase-fd', '3']
const node = someNodeId(1)
const at = '2026-11-21T08:00:00Z'
const page: AuditPage = {
  entries: [
    {
      at,
      who: owner,
      what: 'command restart rqlite',
      node,
      outcome: 'the node answered 200',
      requestId: 'r2',
    },
    { at, who: 'anybody', what: 'enroll\n\u001b[2J', outcome: 'refused', requestId: 'r1' },
  ],
  cursor: 7,
}

t.test('the audit is printed, the newest last, and where older ones are', async t => {
  const asked: unknown[] = []
  const audit = {
    append: () => Promise.reject(new Error('no')),
    page: (...of: unknown[]) => {
      asked.push(of)
      return Promise.resolve(page)
    },
  }
  const { setting } = await withGateway(t, {}, auditRoutes({ audit }))
  const ran = await orama(setting, ...line)
  t.equal(ran.code, 0, ran.err)
  const [head, first, second] = ran.out.split('\n')
  t.match(head, /^time +who +what +node +outcome +request$/)
  t.match(first, /anybody +enroll \ufffd\[2J +- +refused +r1$/)
  t.match(second, new RegExp(`${owner} +command restart rqlite +${node} +the node answered 200 +r2$`))
  t.match(ran.err, '--before 7')
  const json = await orama(setting, ...line, '--lines', '2', '--before', '7', '--json')
  t.same(JSON.parse(json.out), page)
  t.same(asked, [
    [50, undefined],
    [2, 7],
  ])
  for (const words of [
    ['--lines', '257'],
    ['--before', '0'],
    ['--before', 'x'],
  ])
    t.equal((await orama(setting, ...line, ...words)).code, 2, words.join(' '))
})
