import t from 'tap'
import { leases } from '../../../agent/shares/leases.ts'
import type { EpochId } from '../../../protocol/shares/epoch.ts'
import { newBench } from './bench.ts'

const { disk, plan } = await newBench(5, 'shares')
const { current } = disk.record.openings
if (current.kind !== 'shares') throw new TypeError('the bench has no shares')
const { epoch } = current
const world = { record: () => disk.record }
const [slow = '', ...others] = plan.guardians
const own: readonly EpochId[] = [{ number: epoch.number, id: epoch.id }]

t.test('a guardian that is slow has no lease end at the others, and is told once at a time', async t => {
  const said: string[] = []
  const answer = Promise.withResolvers<readonly EpochId[]>()
  const say = (guardian: string) => {
    said.push(guardian)
    return guardian === slow ? answer.promise : Promise.resolve(own)
  }
  const tell = leases(world, { say }, 20)
  // Else there is nothing that keeps this process waiting.
  const awake = setInterval(() => undefined, 1000)
  t.teardown(() => {
    clearInterval(awake)
  })
  for (let round = 0; round < 3; round++) t.same(await tell(), { lacking: [], overfull: [] })
  t.same(said.toSorted(), [slow, ...others, ...others, ...others].toSorted())
  answer.resolve([])
  await answer.promise
  await new Promise(resolve => setImmediate(resolve))
  t.same(await tell(), { lacking: [slow], overfull: [] }, 'now it is told again')
})

t.test('who holds nothing lacks its share, who holds another epoch has too much', async t => {
  const [empty = '', full = '', away = ''] = others
  const other = { number: epoch.number + 1, id: epoch.id }
  const say = (guardian: string): Promise<readonly EpochId[]> => {
    if (guardian === away) return Promise.reject(new Error('no route'))
    return Promise.resolve(guardian === empty ? [] : guardian === full ? [...own, other] : own)
  }
  t.same(await leases(world, { say })(), { lacking: [empty], overfull: [full] })
})
