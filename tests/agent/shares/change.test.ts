import t from 'tap'
import { QuorumError, settle, shareAnew, sweep } from '../../../agent/shares/change.ts'
import { GuardianRefusal } from '../../../agent/shares/world.ts'
import { type Epoch, epochName } from '../../../protocol/shares/epoch.ts'
import { combineShares } from '../../../protocol/shares/split.ts'
import { type Bench, leftOver, newBench } from './bench.ts'
import { type Guardian, guardianOn } from './fake-guardian.ts'
import { copyOf, type Disk, type Outside, PowerCut, processOn, unlock } from './fake-world.ts'

const counts = [5, 6, 10] as const
const starts = (['escrow', 'shares'] as const).flatMap(from => counts.map(count => ({ from, count })))

const lost = async () => Promise.reject(new Error('no answer'))

/** How a guardian does not acknowledge a share. */
const misses: Readonly<Record<string, (honest: Guardian) => Guardian>> = {
  'is away': honest => ({ ...honest, deposit: lost }),
  'refuses it': honest => ({
    ...honest,
    deposit: async () => Promise.reject(new GuardianRefusal('not-a-member', 'no member')),
  }),
  'takes it, and its answer is lost': honest => ({
    ...honest,
    deposit: async (owner, what) => honest.deposit(owner, what).then(lost),
  }),
}

for (const { from, count } of starts)
  for (const [how, miss] of Object.entries(misses)) {
    t.test(`from ${from}: one guardian of ${count} too many ${how}: the old way stays, alone`, async t => {
      const bench = await newBench(count, from)
      const before = bench.disk.record
      change(bench, bench.plan.guardians.slice(bench.plan.quorum - 1), miss)
      await t.rejects(shareAnew(bench.start(), bench.plan), QuorumError)
      t.equal(bench.disk.record, before, 'the record is untouched')
      t.same(leftOver(bench.disk), [])
      t.equal(await unlock(bench.disk, bench.start()), before.openings.current)
    })

    t.test(`from ${from}: as many guardians of ${count} as may, ${how}: any K of the others do`, async t => {
      const bench = await newBench(count, from)
      const { guardians, quorum, threshold } = bench.plan
      change(bench, guardians.slice(quorum), miss)
      await shareAnew(bench.start(), bench.plan)
      const others = guardians.slice(0, quorum)
      for (const some of [others.slice(0, threshold), others.slice(-threshold)]) {
        const reach = (guardian: string) => honest(bench, some.includes(guardian) ? guardian : '')
        t.equal(
          await unlock(bench.disk, bench.start({ reach })),
          bench.disk.record.openings.current,
          'opened by K',
        )
      }
    })
  }

t.test('a quorum error names who took no share, how many are needed, and no share', async t => {
  const bench = await newBench(5, 'escrow')
  const [first = '', second = ''] = bench.plan.guardians
  change(bench, [first, second], honest => ({ ...honest, deposit: lost }))
  await t.rejects(shareAnew(bench.start(), bench.plan), {
    name: 'QuorumError',
    message: `Cannot share secret: 3 of 5 took a share, need 4: ${first} (no answer), ${second} (no answer)`,
  })
})

/** What a guardian that has acknowledged its share gives back. */
const unproven: Readonly<Record<string, (honest: Guardian) => Guardian>> = {
  'give back another': honest => ({
    ...honest,
    release: async (...asked) => {
      const share = await honest.release(...asked)
      share[3] = (share[3] ?? 0) ^ 1
      return share
    },
  }),
  'have lost it': honest => ({
    ...honest,
    release: async () => Promise.reject(new GuardianRefusal('no-share', 'none')),
  }),
  'do not answer': honest => ({ ...honest, release: lost }),
}

for (const { from, count } of starts)
  for (const [how, lie] of Object.entries(unproven))
    t.test(
      `from ${from}: of ${count} guardians that took a share too many ${how}: the old way stays`,
      async t => {
        const bench = await newBench(count, from)
        const { openings } = bench.disk.record
        const lent: Buffer[] = []
        change(bench, bench.plan.guardians.slice(bench.plan.threshold - 1), lie)
        await t.rejects(shareAnew(bench.start({ lent: bytes => lent.push(bytes) }), bench.plan), {
          message: 'Cannot share secret: it could not be fetched again, 1 shares are missing',
        })
        t.same(bench.disk.record.openings, openings)
        t.same(leftOver(bench.disk), [])
        change(bench, bench.plan.guardians, (_, guardian) => honest(bench, guardian))
        t.equal((await unlock(bench.disk, bench.start()))?.kind, from)
        t.ok(lent.length > count && lent.every(isWiped), 'shares and secrets are wiped')
      },
    )

for (const { from, count } of starts)
  t.test(
    `from ${from}: what ${count} guardians and the disk were lent is wiped, and the log has none of it`,
    async t => {
      const bench = await newBench(count, from)
      const copies: Buffer[] = []
      const lent: Buffer[] = []
      const see: Outside['lent'] = bytes => {
        lent.push(bytes)
        copies.push(Buffer.from(bytes))
      }
      await shareAnew(bench.start({ lent: see }), bench.plan)
      t.ok(lent.length >= count + 1 + bench.plan.threshold, 'shares, secret, shares to prove it')
      t.ok(lent.every(isWiped))
      const said = [...bench.log, JSON.stringify(bench.disk.record)].join('\n')
      for (const bytes of copies)
        for (const encoding of ['hex', 'base64', 'base64url'] as const)
          if (said.includes(bytes.subarray(0, 32).toString(encoding)))
            t.fail('it is in the log or the record')
    },
  )

t.test('the number of an epoch rises', async t => {
  const bench = await newBench(5, 'shares')
  t.equal(epochIn(bench.disk).number, 1)
  await shareAnew(bench.start(), bench.plan)
  t.equal(epochIn(bench.disk).number, 2)
})

t.test('shares of two epochs do not combine, and are not taken for each other', async t => {
  const bench = await newBench(5, 'shares')
  const old = sharesOf(bench)
  await shareAnew(bench.start(), bench.plan)
  const fresh = sharesOf(bench)
  for (const mixed of [
    [...old.slice(0, 2), ...fresh.slice(2)],
    [...old.slice(0, 2), ...fresh.slice(2, 3)],
    [...fresh.slice(0, 2), ...old.slice(2, 3)],
  ])
    await t.rejects(combineShares(mixed), RangeError)
  const names = bench.plan.guardians
  change(bench, names.slice(0, 3), honest => ({
    ...honest,
    release: async (_, __, signal) => honest.release(bench.disk.record.nodeId, oldEpoch, signal),
  }))
  const oldEpoch = { number: 1, id: heldBy(bench, names[0])[0]?.id ?? '' }
  t.equal(await unlock(bench.disk, bench.start()), undefined, 'two of the new epoch and three of the old')
})

const thefts = [
  ['before the old shares are erased', false, 'shares'],
  ['after the old shares were erased', true, undefined],
] as const

for (const [when, isSwept, kind] of thefts)
  t.test(
    `a disk copied before a new epoch ${kind === undefined ? 'does not open' : 'opens'} ${when}`,
    async t => {
      const bench = await newBench(5, 'shares')
      const copy = copyOf(bench.disk)
      await shareAnew(bench.start(), bench.plan)
      if (isSwept) await sweep(bench.start(), bench.plan.guardians)
      const reach = (guardian: string) => honest(bench, guardian)
      t.equal((await unlock(copy, processOn(copy, { reach })))?.kind, kind)
    },
  )

t.test(
  'a disk copied before its secret went to guardians opens by its escrow alone: as its owner says',
  async t => {
    const bench = await newBench(5, 'escrow')
    const copy = copyOf(bench.disk)
    await shareAnew(bench.start(), bench.plan)
    copy.escrow = undefined
    t.equal(await unlock(copy, processOn(copy, { reach: guardian => honest(bench, guardian) })), undefined)
  },
)

t.test('an escrow goes when the record names shares alone, and its keyslot with it', async t => {
  const bench = await newBench(5, 'escrow')
  await shareAnew(bench.start(), bench.plan)
  t.equal(bench.disk.escrow, undefined)
  t.same([...bench.disk.keyslots.keys()], [1])
})

const spared = [
  ['the next way, and only it opens the disk', 1, 'next'],
  ['the present way, and only it opens the disk', 2, 'current'],
] as const

for (const [what, lost, stays] of spared)
  t.test(`settle() after a power cut with both ways named keeps ${what}`, async t => {
    const bench = await newBench(5, 'shares')
    const border: Outside['border'] = (when, call) => {
      if (when === 'after' && call === 'change') throw new PowerCut()
    }
    await t.rejects(shareAnew(bench.start({ border }), bench.plan))
    const named = bench.disk.record.openings[stays]
    for (const store of bench.stores.values())
      for (const [owner, held] of store)
        store.set(
          owner,
          held.filter(one => one.epoch.number !== lost),
        )
    const way = await unlock(bench.disk, bench.start())
    t.equal(way, named)
    if (way !== undefined) await settle(bench.start(), way)
    t.same(bench.disk.record.openings, { current: named })
    t.same(await unlock(bench.disk, bench.start()), named)
    t.same(leftOver(bench.disk), [])
  })

t.test('settle() keeps an escrow that is named, and kills a keyslot that is not', async t => {
  const { disk, start } = await newBench(5, 'escrow')
  disk.keyslots.set(7, Buffer.alloc(32, 7))
  await settle(start(), disk.record.openings.current)
  t.same([...disk.keyslots.keys()], [0])
  t.ok(disk.escrow)
})

t.test('sweep() leaves what the record names, erases others, and says who did not answer', async t => {
  const bench = await newBench(5, 'shares')
  await shareAnew(bench.start(), bench.plan)
  const [away = '', ...others] = bench.plan.guardians
  const absent = bench.guardians.get(away)
  bench.guardians.delete(away)
  await sweep(bench.start(), bench.plan.guardians)
  t.same(
    heldBy(bench, away).map(one => one.number),
    [1, 2],
  )
  for (const guardian of others)
    t.same(heldBy(bench, guardian).map(epochName), [epochName(epochIn(bench.disk))])
  t.match(bench.log.at(-1), `shares: ${away} does not erase old shares now: it is away`)
  if (absent !== undefined) bench.guardians.set(away, absent)
  await sweep(bench.start(), bench.plan.guardians)
  t.same(
    heldBy(bench, away).map(one => one.number),
    [2],
  )
})

t.test('sweep() of a node in escrow erases all that guardians hold of it', async t => {
  const bench = await newBench(5, 'escrow')
  change(bench, bench.plan.guardians.slice(0, 2), honest => ({ ...honest, deposit: lost }))
  await t.rejects(shareAnew(bench.start(), bench.plan), QuorumError)
  t.equal(heldBy(bench, bench.plan.guardians[4]).length, 1)
  await sweep(bench.start(), bench.plan.guardians)
  for (const guardian of bench.plan.guardians) t.same(heldBy(bench, guardian), [])
})

/** Puts others in the place of some guardians. */
function change(
  { guardians }: Bench,
  some: readonly string[],
  make: (honest: Guardian, guardian: string) => Guardian,
): void {
  for (const guardian of some) {
    const present = guardians.get(guardian)
    if (present !== undefined) guardians.set(guardian, make(present, guardian))
  }
}

function honest({ stores }: Bench, guardian: string): Guardian {
  const store = stores.get(guardian)
  if (store === undefined) throw new Error('it is away')
  return guardianOn(store)
}

function heldBy({ stores, disk }: Bench, guardian = '') {
  return (stores.get(guardian)?.get(disk.record.nodeId) ?? []).map(one => one.epoch)
}

/** The newest share of each guardian, in the order of their names. */
function sharesOf({ stores, disk, plan }: Bench): readonly Buffer[] {
  return plan.guardians.flatMap(one => stores.get(one)?.get(disk.record.nodeId)?.at(-1)?.share ?? [])
}

function epochIn({ record }: Disk): Epoch {
  const { current } = record.openings
  if (current.kind !== 'shares') throw new TypeError('its secret is in escrow')
  return current.epoch
}

function isWiped(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0)
}
