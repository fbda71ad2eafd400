import t from 'tap'
import { type CareOf, careForShares } from '../../../agent/shares/care.ts'
import { openingsInTurn } from '../../../protocol/shares/opening.ts'
import type { EpochId } from '../../../protocol/shares/epoch.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'
import { type Bench, newBench } from './bench.ts'

/** An unlocked node with so many guardians, at a clock that the test turns on. */
async function caring(count: number, from: 'escrow' | 'shares', more: Partial<CareOf> = {}) {
  const bench = await newBench(count, from)
  const clock = { ms: 0 }
  const said: string[] = []
  const { nodeId, openings } = bench.disk.record
  const members = Array.from({ length: count + 1 }, (_, at) => someNodeId(at))
  const holds = (guardian: string): readonly EpochId[] =>
    (bench.stores.get(guardian)?.get(nodeId) ?? []).map(one => one.epoch)
  const care = careForShares({
    world: bench.start(),
    guardians: {
      say: async (guardian, kind) => {
        said.push(`${kind} ${guardian}`)
        if (!bench.guardians.has(guardian)) throw new Error('no route')
        return Promise.resolve(holds(guardian))
      },
    },
    members: () => members,
    nowMs: () => clock.ms,
    random: () => 0,
    gatherMs: 600_000,
    opened: openings.current,
    ...more,
  })
  const rounds = async (number: number) => {
    for (let at = 0; at < number; at++) {
      clock.ms += 15_000
      await care.round()
      // What a round has begun ends by itself: all of it is promises that are settled already.
      for (let turn = 0; turn < 2000; turn++) await Promise.resolve()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return { bench, care, rounds, said, members }
}

const epochOf = ({ disk }: Bench) => openingsInTurn(disk.record.openings).map(way => way.kind)

async function until(rounds: (number: number) => Promise<void>, isSo: () => boolean): Promise<boolean> {
  for (let at = 0; at < 60 && !isSo(); at++) await rounds(1)
  return isSo()
}

t.test(
  'an escrow is given to guardians as soon as there are five, and its owner is needed no more',
  async t => {
    const { bench, rounds } = await caring(5, 'escrow')
    await rounds(1)
    t.same(epochOf(bench), ['escrow'], 'not before news of several members have had time to come')
    t.ok(await until(rounds, () => bench.disk.escrow === undefined))
    t.same(epochOf(bench), ['shares'])
    t.notMatch(bench.log.join('\n'), /its owner has/, 'what never began does not end')
  },
)

t.test('four guardians are too few to begin with', async t => {
  const { bench, rounds } = await caring(4, 'escrow')
  await rounds(10)
  t.same(epochOf(bench), ['escrow'])
})

t.test('every holder hears each round that the node lives, and goodbye at its end', async t => {
  const { rounds, said, care, bench } = await caring(5, 'shares')
  await rounds(2)
  const leases = said.filter(one => one.startsWith('lease'))
  t.equal(leases.length, 10)
  await care.goodbye()
  const goodbyes = said.filter(one => one.startsWith('goodbye')).map(one => one.slice(8))
  t.same(goodbyes.toSorted(), [...bench.plan.guardians].toSorted())
})

t.test(
  'a guardian that lost its share is given one of a new epoch, after others had time to be missed',
  async t => {
    const { bench, rounds } = await caring(5, 'shares')
    const before = bench.disk.record.openings.current
    bench.stores.get(bench.plan.guardians[0] ?? '')?.clear()
    await rounds(3)
    t.same(bench.disk.record.openings.current, before, 'gathered for ten minutes')
    const isAnew = () => bench.disk.record.openings.current.keyslot !== before.keyslot
    t.ok(await until(rounds, isAnew))
  },
)

t.test('who leaves is told within seconds to erase what it holds, when there are new shares', async t => {
  const gone = someNodeId(6)
  const staying = () => Array.from({ length: 6 }, (_, at) => someNodeId(at))
  const { bench, rounds } = await caring(6, 'shares', { members: staying, leaving: () => [gone] })
  const { nodeId } = bench.disk.record
  const held = () => bench.stores.get(gone)?.get(nodeId)?.length ?? 0
  t.equal(held(), 1)
  // Not in ten minutes, as after other changes.
  for (let at = 0; at < 20 && held() > 0; at++) await rounds(1)
  t.equal(held(), 0)
  t.equal(bench.disk.record.openings.current.kind, 'shares')
})

/** Six guardians, and one that joins, which nobody reaches; then the sixth leaves. */
async function awaitingLeaver() {
  const gone = someNodeId(6)
  const all = Array.from({ length: 8 }, (_, at) => someNodeId(at))
  let leaving: readonly string[] = []
  const set = await caring(6, 'shares', {
    members: () => all.filter(one => !leaving.includes(one)),
    leaving: () => leaving,
  })
  const { bench } = set
  const held = () => bench.stores.get(gone)?.get(bench.disk.record.nodeId)?.length ?? 0
  const kept = new Map(bench.guardians)
  return {
    ...set,
    held,
    leave: () => void (leaving = [gone]),
    failures: () => bench.log.filter(line => line.includes('Cannot share secret')).length,
    goAway: () => {
      for (const one of bench.plan.guardians.slice(0, 3)) bench.guardians.delete(one)
    },
    comeBack: () => {
      for (const [one, guardian] of kept) bench.guardians.set(one, guardian)
    },
  }
}

t.test('who leaves while other changes are gathered is not kept waiting for these', async t => {
  const { rounds, leave, held } = await awaitingLeaver()
  await rounds(4)
  t.equal(held(), 1, 'who joined is waited for')
  leave()
  await rounds(1)
  t.equal(held(), 1, 'news of others that leave too have time to come')
  await rounds(2)
  t.equal(held(), 0)
})

t.test('nor while it is waited after a failure', async t => {
  const { rounds, leave, held, goAway, comeBack, failures } = await awaitingLeaver()
  goAway()
  // The fourth failure is followed by four minutes.
  t.ok(await until(rounds, () => failures() === 4))
  comeBack()
  await rounds(2)
  t.equal(held(), 1)
  leave()
  await rounds(2)
  t.equal(held(), 0)
})

t.test(
  'where guardians are away, that somebody leaves does not have the others asked all the time',
  async t => {
    const { rounds, leave, goAway, failures, bench } = await awaitingLeaver()
    goAway()
    await rounds(4)
    leave()
    // At 10 s, and then 30 s, 1 and 2 minutes after the one before.
    await rounds(20)
    t.equal(failures(), 4)
    t.equal(
      bench.log.filter(line => line.includes('to be made anew')).length,
      2,
      'said when it is brought forward',
    )
  },
)

t.test('where too few guardians answer the old way stays, and it is tried again', async t => {
  const { bench, rounds } = await caring(5, 'escrow')
  const away = bench.plan.guardians.slice(0, 2)
  const kept = away.map(one => bench.guardians.get(one))
  for (const one of away) bench.guardians.delete(one)
  await rounds(6)
  t.same(epochOf(bench), ['escrow'])
  t.match(bench.log.join('\n'), /Cannot share secret: 3 of 5 took a share, need 4/)
  away.forEach((one, at) => {
    const guardian = kept[at]
    if (guardian !== undefined) bench.guardians.set(one, guardian)
  })
  t.ok(await until(rounds, () => epochOf(bench)[0] === 'shares'))
})

t.test('three guardians left: only the owner can help, and it is said', async t => {
  const { care, rounds, bench } = await caring(5, 'shares', {
    members: () => Array.from({ length: 4 }, (_, at) => someNodeId(at)),
  })
  await rounds(2)
  t.match(care.trouble(), /only 3 guardians are left/)
  t.same(epochOf(bench), ['shares'])
})

const begun = 'shares: only 3 guardians are left: its owner has to take the secret back'
const ends = [
  ['others come', 'shares: there are guardians enough again'],
  ['its owner takes the secret back', 'shares: its owner has the secret'],
] as const
for (const [how, ended] of ends)
  t.test(`that only the owner can help is logged once, and once that it is over: ${how}`, async t => {
    let count = 4
    const members = () => Array.from({ length: count }, (_, at) => someNodeId(at))
    const { care, rounds, bench } = await caring(5, 'shares', { members })
    const lines = () => bench.log.filter(line => line === begun || line === ended)
    await rounds(4)
    count = 3
    await rounds(4)
    t.match(care.trouble(), /only 2 guardians/)
    t.same(lines(), [begun], 'also where another one goes')
    if (how === 'others come') count = 6
    else await care.takeBack()
    await rounds(4)
    t.same(lines(), [begun, ended])
    t.equal(care.trouble(), undefined)
  })

t.test('nothing is shared before what was cut off has come to its end', async t => {
  const bench = await newBench(5, 'shares')
  let broken = true
  const world = bench.start({
    border: (when, call) => {
      if (broken && when === 'before' && call.startsWith('list')) throw new Error('header away')
    },
  })
  const { rounds } = await caring(5, 'shares', { world, members: () => [] })
  await rounds(2)
  const failed = bench.log.filter(line => line.includes('header away')).length
  t.ok(failed >= 1)
  broken = false
  await rounds(2)
  t.equal(bench.log.filter(line => line.includes('header away')).length, failed)
})

t.test('while the disk is given a new key no keyslot is destroyed, no way to it changed', async t => {
  let isRekeying = true
  const few = () => Array.from({ length: 4 }, (_, at) => someNodeId(at))
  const { bench, care, rounds } = await caring(5, 'shares', { isRekeying: () => isRekeying, members: few })
  const { keyslots } = bench.disk
  // The one with the new key, and what is no keyslot: the record names neither.
  for (const keyslot of [7, 8]) keyslots.set(keyslot, Buffer.alloc(32))
  const before = [...keyslots.keys()]
  // As after an unlock that goes on with it, and ends with an error.
  await care.holdBack(() => Promise.resolve())
  await rounds(3)
  t.same([...keyslots.keys()], before)
  t.equal(care.isChanging(), true)
  await t.rejects(care.takeBack(), { message: /has not ended yet/ })
  isRekeying = false
  await rounds(1)
  t.same([...keyslots.keys()], [bench.disk.record.openings.current.keyslot])
})

t.test('a rekey that has stopped since its order holds back what was settled before', async t => {
  let isRekeying = false
  const { bench, care, rounds } = await caring(5, 'shares', { isRekeying: () => isRekeying })
  await rounds(1)
  isRekeying = true
  await t.rejects(care.takeBack(), { message: /is being given a new key/ })
  bench.stores.get(bench.plan.guardians[0] ?? '')?.clear()
  const { current } = bench.disk.record.openings
  await rounds(60)
  t.same(bench.disk.record.openings.current, current)
  isRekeying = false
  await care.takeBack()
  t.same(epochOf(bench), ['escrow'])
})

t.test('the secret goes back to the owner, and guardians erase what they have', async t => {
  const few = () => Array.from({ length: 4 }, (_, at) => someNodeId(at))
  const { bench, care, rounds } = await caring(5, 'shares', { members: few })
  await t.rejects(care.takeBack(), { message: /cut off has not ended/ }, 'not before the first round')
  await rounds(1)
  await care.takeBack()
  t.same(epochOf(bench), ['escrow'])
  const { nodeId } = bench.disk.record
  const kept = few().filter(one => bench.stores.get(one)?.has(nodeId))
  t.same(kept, [])
  await rounds(20)
  t.equal(care.trouble(), undefined)
  t.same(epochOf(bench), ['escrow'], 'and it stays')
})

t.test('one change at a time: the secret is not taken back while it is shared anew', async t => {
  const hold = Promise.withResolvers<undefined>()
  const bench = await newBench(5, 'escrow')
  const world = bench.start({
    border: (when, call) => (when === 'before' && call.startsWith('add') ? hold.promise : undefined),
  })
  const { care, rounds } = await caring(5, 'escrow', { world })
  await rounds(3)
  await t.rejects(care.takeBack(), { message: /another change is under way/ })
  hold.resolve(undefined)
})
