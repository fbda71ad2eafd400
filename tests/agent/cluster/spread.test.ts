import t from 'tap'
import { spreadNews } from '../../../agent/cluster/spread.ts'
import { GuardianRefusal } from '../../../agent/shares/world.ts'
import type { MemberRecord } from '../../../protocol/cluster/member.ts'
import { joinRecord, newWallet } from '../../protocol/cluster/sample.ts'
import { cable, endpoint, ids, joined, moved, records, viewOf, viewsOf } from './cable.ts'

const [first = '', second = '', , fourth = ''] = ids

t.test('a member that one node hears of is known to all after one round, and then all is quiet', async t => {
  const views = viewsOf(3)
  const { changes, tried, at, round } = cable(views)
  await round()
  await at(0).hear(joined(...records.slice(3, 4)), 'a gateway')
  await at(0).round()
  for (const view of views.values()) t.ok(view.members().includes(fourth))
  t.same(new Set(changes), new Set(views.keys()))
  await round()
  const settled = tried.length
  await round()
  t.same(
    tried.slice(settled).filter(call => !call.endsWith(fourth)),
    [],
    'only who cannot be reached is asked again',
  )
})

t.test('who was away is told when it is back', async t => {
  const views = viewsOf(2)
  const cut = new Set([second])
  const { at } = cable(views, { cut })
  await views.get(first)?.hear(moved(endpoint(0, 3)))
  await at(0).round()
  t.same([at(0).inTouch(), at(0).isTold(second)], [false, false])
  cut.clear()
  await at(0).round()
  t.same([at(0).inTouch(), at(0).isTold(second)], [true, true])
  t.equal(views.get(second)?.peers()[0]?.endpoint, '192.0.2.9:51820')
})

t.test('who was called is in touch as well, but not by who is no member', async t => {
  const views = viewsOf(2)
  const { at } = cable(views)
  await at(1).answer({ digest: views.get(second)?.digest() ?? '' }, fourth)
  t.same([at(1).inTouch(), at(1).isTold(fourth)], [false, false], 'nor is it kept that it was there')
  await at(0).round()
  t.equal(at(1).inTouch(), true)
})

t.test(
  'who refuses a node that leaves as no member knows that it leaves; of others that says nothing',
  async t => {
    const gone = new GuardianRefusal('not-a-member', 'the node is no member of this cluster')
    const rows = [
      ['one that leaves, as no member', 'own', gone, true],
      ['one that leaves, for another reason', 'own', new GuardianRefusal('too-many', 'wait'), false],
      ['one that leaves, not at all', 'own', new Error('no route'), false],
      ['a member, as no member', first, gone, false],
    ] as const
    for (const [who, own, cause, isTold] of rows) {
      const view = viewOf(0, [0, 1])
      const of = { view, own, random: () => 0, log: () => undefined, onChange: () => Promise.resolve() }
      const spread = spreadNews({ ...of, ask: () => Promise.reject(cause) })
      await spread.round()
      t.equal(spread.isTold(second), isTold, who)
    }
  },
)

t.test('who goes away is in the log once, and is told when it is back', async t => {
  const cut = new Set<string>()
  const { at, log } = cable(viewsOf(2), { cut })
  await at(0).round()
  cut.add(second)
  await at(0).hear(moved(endpoint(0, 3)), 'a gateway')
  await at(0).round()
  await at(0).round()
  t.same(
    log.filter(line => line.includes('cannot be told')),
    [`cluster: ${second} cannot be told: no route`],
  )
  cut.clear()
  await at(0).round()
  t.ok(at(0).isTold(second))
})

t.test('what is refused is in the log, with who sent it', async t => {
  const { at, log, changes } = cable(new Map([[first, viewOf(0, [0, 1])]]))
  await at(0).hear(joined(joinRecord({ operator: newWallet(), address: '10.0.0.7' })), second)
  t.match(log, [/refused from n\w+: member at 10\.0\.0\.7: .*no operator/])
  t.same(changes, [])
})

t.test(
  'who tells too much that is wrong is not heard for a minute, others are, and the log says so once',
  async t => {
    const clock = { nowMs: 0 }
    const view = viewOf(0, [0, 1])
    const log: string[] = []
    const spread = spreadNews({
      ...{
        view,
        own: first,
        onChange: () => Promise.resolve(),
        log: line => void log.push(line),
      },
      ...{ ask: () => Promise.reject(new Error('no route')), random: () => 0, nowMs: () => clock.nowMs },
    })
    const altered = records.slice(2, 3).map(one => ({ ...one, address: '10.0.0.99' }))
    const wrong = joined(...Array<MemberRecord[]>(40).fill(altered).flat())
    const { refusals } = await spread.hear(wrong, 'nliar')
    t.same([refusals.length, refusals.at(-1)?.what], [33, 'the rest'])
    await t.rejects(spread.hear(joined(...records.slice(2, 3)), 'nliar'), { name: 'HttpError', status: 429 })
    t.equal((await spread.hear(joined(...records.slice(2, 3)), 'nother')).changed, true)
    clock.nowMs = 59_999
    await t.rejects(spread.hear(joined(), 'nliar'), { name: 'HttpError' })
    clock.nowMs = 60_000
    t.equal((await spread.hear(joined(...records.slice(3)), 'nliar')).changed, true)
    t.equal(log.filter(line => line.includes('nothing is heard from nliar')).length, 1)
  },
)
