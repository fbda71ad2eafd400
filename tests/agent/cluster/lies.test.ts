import t from 'tap'
import type { NewsMessage } from '../../../protocol/cluster/news.ts'
import { joinRecord, newWallet } from '../../protocol/cluster/sample.ts'
import { cable, endpoint, ids, isWhole, joined, moved, records, viewsOf, whole } from './cable.ts'

// Who lies about digests, or takes nothing.

const [first = '', second = '', third = ''] = ids
const other = '0'.repeat(64)

t.test('who always says what it hears keeps the news from itself, and from nobody else', async t => {
  const views = viewsOf(3)
  const lies = new Map([[second, ({ digest }: NewsMessage) => ({ digest })]])
  const { at } = cable(views, { lies })
  await at(0).hear(moved(endpoint(0, 2)), 'itself')
  await at(1).hear(moved(endpoint(1, 2)), 'itself')
  await at(0).round()
  t.ok(at(0).isTold(second))
  t.same(
    views
      .get(third)
      ?.news()
      .endpoints.map(one => one.node),
    [first],
    'the others are told',
  )
  // What it knows alone it could always keep back. By its own words it comes, with whom it calls.
  await at(1).round()
  for (const view of views.values()) t.same(view.news().endpoints.length, 2)
})

t.test('who says another digest for ever is sent all once a change', async t => {
  const lies = new Map([[second, () => ({ digest: other })]])
  const { at, calls } = cable(viewsOf(2), { lies })
  for (let round = 0; round < 3; round++) await at(0).round()
  t.same([calls.length, whole(calls).length], [2, 1])
  await at(0).hear(moved(endpoint(0, 2)), 'itself')
  for (let round = 0; round < 3; round++) await at(0).round()
  t.same([calls.length, whole(calls).length], [4, 2])
})

t.test('news count by their records, whatever the digest beside them', async t => {
  const views = viewsOf(2)
  const news = moved(endpoint(1, 2))
  const digest = views.get(first)?.digest() ?? ''
  const lies = new Map([[second, () => ({ digest, news })]])
  const { at } = cable(views, { lies })
  await at(0).round()
  t.same(views.get(first)?.news().endpoints, news.endpoints)
  const back = await at(0).answer({ digest: other, news: moved(endpoint(1, 3)) }, second)
  t.equal(views.get(first)?.news().endpoints[0]?.number, 3)
  t.equal(back.digest, views.get(first)?.digest())
  t.ok(isWhole(back))
})

t.test('twelve rounds are a net: who claimed to know it all is asked anew, digest first', async t => {
  const views = viewsOf(2)
  const liar = { lies: true }
  const lies = new Map([[second, (said: NewsMessage) => (liar.lies ? said : { digest: other })]])
  const { at, calls } = cable(views, { lies })
  await at(0).round()
  liar.lies = false
  for (let round = 2; round < 12; round++) await at(0).round()
  t.same(calls.length, 1)
  await at(0).round()
  t.same(
    calls.slice(1).map(({ said }) => isWhole(said)),
    [false, true],
  )
})

t.test('who has told too much that is wrong gets no answer, not even to a digest', async t => {
  const views = viewsOf(2)
  const { at } = cable(views)
  const strange = joinRecord({ operator: newWallet(), address: '10.0.0.99' })
  const wrong = joined(...Array<(typeof records)[number]>(40).fill(strange))
  await at(0).answer({ digest: other, news: wrong }, second)
  await t.rejects(at(0).answer({ digest: other }, second), { name: 'HttpError', status: 429 })
  await t.resolves(at(0).answer({ digest: other }, third))
})

t.test('who does not take what it is sent is not told, and hears it with the next round', async t => {
  const views = viewsOf(2)
  const busy = { is: true }
  const lies = new Map<string, (said: NewsMessage) => NewsMessage | undefined>([
    [
      second,
      said => {
        if (busy.is && isWhole(said)) throw new Error('too much of what was told')
        return undefined
      },
    ],
  ])
  const { at } = cable(views, { lies })
  await at(0).hear(moved(endpoint(0, 2)), 'itself')
  await at(0).round()
  t.notOk(at(0).isTold(second))
  busy.is = false
  await at(0).round()
  t.ok(at(0).isTold(second))
  t.equal(views.get(second)?.digest(), views.get(first)?.digest())
})
