import t from 'tap'
import { countTrue, timesOf } from '../../bench/unlock.ts'
import { altered, newAsker } from '../../bench/unlock/asker.ts'
import { missingPackages } from '../../bench/unlock/clevis.ts'
import { collect } from '../../bench/unlock/collect.ts'
import { startCrowd } from '../../bench/unlock/many.ts'
import { isShareOf } from '../../protocol/shares/epoch.ts'
import { combineShares } from '../../protocol/shares/split.ts'
import { someNodeId } from '../protocol/cluster/sample.ts'

const guardians = [1, 2, 3].map(someNodeId)

t.test('an asker has shares that make its secret, and knows each of them again', async t => {
  const { record, epoch, secret, shares } = await newAsker(guardians, 2)
  t.same([...shares.keys()], guardians)
  t.same(await combineShares([...shares.values()].slice(1)), secret)
  for (const holder of epoch.holders) {
    const share = shares.get(holder.node) ?? Buffer.alloc(0)
    t.equal(isShareOf(holder, share, { node: record.nodeId, epoch }), true)
    t.equal(isShareOf(holder, altered(share), { node: record.nodeId, epoch }), false, 'a lie is seen')
  }
})

for (const [outcomes, count] of [
  [[true, true, true], 3],
  [[true, false, true], 2],
  [[false, false, false], 0],
] as const)
  t.test(`countTrue() of ${outcomes.join(', ')}`, async t => {
    const left = [...outcomes]
    t.equal(await countTrue(() => Promise.resolve(left.shift() ?? false), outcomes.length), count)
    t.same(left, [])
  })

t.test('timesOf() has a time for each round', async t => {
  const times = await timesOf(() => Promise.resolve(true), 3)
  t.equal(times.length, 3)
  t.ok(times.every(ms => ms >= 0))
})

t.test('timesOf() refuses to time what fails', async t =>
  t.rejects(
    timesOf(() => Promise.resolve(false), 3),
    { message: /gave no secret/ },
  ),
)

t.test('missingPackages() names the packages of programs that are not there, and only those', async t => {
  const absent = {
    '/nowhere/clevis': 'clevis',
    [process.execPath]: 'nodejs',
    '/nowhere/tangd': 'tang-common',
  }
  t.same(await missingPackages(absent), ['clevis', 'tang-common'])
  t.same(await missingPackages({}), [])
})

const crowds = [
  ['all answer', { count: 5, dead: 0, lying: 0 }, true],
  ['one is dead, one lies', { count: 5, dead: 1, lying: 1 }, true],
  ['three lie', { count: 5, dead: 0, lying: 3 }, false],
] as const
for (const [what, crowd, opens] of crowds)
  t.test(`of five guardians ${what}: the secret ${opens ? 'comes' : 'does not come'}`, async t => {
    await using stack = new AsyncDisposableStack()
    const { asker, places } = await startCrowd(crowd, stack)
    const { secret, answers } = await collect(asker, places)
    t.equal(secret?.equals(asker.secret) === true, opens)
    const kinds = [...answers.values()].map(answer => answer.kind)
    t.equal(kinds.filter(kind => kind === 'good').length, opens ? 3 : 2)
  })
