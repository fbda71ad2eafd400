import t, { type Test } from 'tap'
import { escrowAnew, settle, shareAnew, takeBack } from '../../../agent/shares/change.ts'
import type { ShareWorld } from '../../../agent/shares/world.ts'
import type { SharePlan } from '../../../protocol/shares/plan.ts'
import { type Bench, leftOver, newBench } from './bench.ts'
import { type Border, PowerCut, unlock } from './fake-world.ts'

const starts = (['escrow', 'shares'] as const).flatMap(from => [5, 6, 10].map(count => ({ from, count })))

/** Who is left among the guardians when the node starts again. */
const left: readonly ((plan: SharePlan) => readonly string[])[] = [
  ({ guardians }) => guardians,
  ({ guardians, threshold }) => guardians.slice(0, threshold),
  ({ guardians, threshold }) => guardians.slice(-threshold),
]

for (const { from, count } of starts) {
  const borders = await bordersOf(await newBench(count, from))
  for (const [at, border] of borders.entries())
    t.test(
      `from ${from}, ${count} guardians: a power cut ${border} (${at + 1} of ${borders.length})`,
      async t => {
        for (const choose of left) {
          const bench = await newBench(count, from)
          await t.rejects(shareAnew(bench.start({ border: failsAt(at + 1, new PowerCut()) }), bench.plan))
          const comeBack = leaveOnly(bench, choose(bench.plan))
          await restart(t, bench)
          comeBack()
          await isWell(t, bench)
        }
      },
    )
}

for (const from of ['escrow', 'shares'] as const) {
  const borders = await bordersOf(await newBench(5, from))
  for (const [at, border] of borders.entries())
    t.test(`from ${from}: a power cut ${border}, and one anywhere while that is put right`, async t => {
      for (let second = 1, wasCut = true; wasCut; second++) {
        const bench = await newBench(5, from)
        await t.rejects(shareAnew(bench.start({ border: failsAt(at + 1, new PowerCut()) }), bench.plan))
        wasCut = await restart(t, bench, failsAt(second, new PowerCut()))
        await restart(t, bench)
        await isWell(t, bench)
      }
    })
}

for (const { from, count } of starts) {
  const borders = await bordersOf(await newBench(count, from))
  for (const [at, border] of borders.entries())
    t.test(`from ${from}, ${count} guardians: an error ${border}, and the node goes on`, async t => {
      const bench = await newBench(count, from)
      const lent: Buffer[] = []
      const outside = {
        border: failsAt(at + 1, new Error('some error')),
        lent: (bytes: Buffer) => lent.push(bytes),
      }
      const world = bench.start(outside)
      await shareAnew(world, bench.plan).catch((error: unknown) => t.match(error, { message: 'some error' }))
      t.ok(await unlock(bench.disk, bench.start()), 'some way opens the disk')
      await shareAnew(world, bench.plan)
      await isWell(t, bench)
      t.ok(lent.every(isWiped), 'shares and secrets are wiped')
    })
}

const ofTakingBack = await bordersOf(await newBench(5, 'shares'), takeBack)
for (const [at, border] of ofTakingBack.entries())
  t.test(`back to escrow: a power cut ${border}, and one anywhere while that is put right`, async t => {
    for (let second = 1, wasCut = true; wasCut; second++) {
      const bench = await newBench(5, 'shares')
      await t.rejects(takeBack(bench.start({ border: failsAt(at + 1, new PowerCut()) })))
      wasCut = await restart(t, bench, failsAt(second, new PowerCut()))
      await restart(t, bench)
      await isWell(t, bench)
    }
  })

for (const [at, border] of ofTakingBack.entries())
  t.test(`back to escrow: an error ${border}, and the node starts again some time later`, async t => {
    const bench = await newBench(5, 'shares')
    const lent: Buffer[] = []
    const outside = {
      border: failsAt(at + 1, new Error('some error')),
      lent: (bytes: Buffer) => lent.push(bytes),
    }
    const world = bench.start(outside)
    await takeBack(world).catch((error: unknown) => t.match(error, { message: 'some error' }))
    t.ok(await unlock(bench.disk, bench.start()), 'some way opens the disk')
    t.ok(lent.every(isWiped), 'secrets are wiped')
    await restart(t, bench)
    await isWell(t, bench)
  })

t.test('back to escrow: the owner alone opens it, without any guardian; numbers rise', async t => {
  const bench = await newBench(5, 'shares')
  await takeBack(bench.start())
  bench.guardians.clear()
  const { current } = bench.disk.record.openings
  t.match(current, { kind: 'escrow', number: 2 })
  t.equal(await unlock(bench.disk, bench.start()), current)
  t.same(leftOver(bench.disk), [])
  await t.rejects(takeBack(bench.start()), { name: 'RangeError', message: /has it already/ })
})

const ofRenewing = await bordersOf(await newBench(5, 'escrow'), world => escrowAnew(world))
for (const [at, border] of ofRenewing.entries())
  t.test(
    `an escrow for another: a power cut ${border}, and one anywhere while that is put right`,
    async t => {
      for (let second = 1, wasCut = true; wasCut; second++) {
        const bench = await newBench(5, 'escrow')
        await t.rejects(escrowAnew(bench.start({ border: failsAt(at + 1, new PowerCut()) })))
        wasCut = await restart(t, bench, failsAt(second, new PowerCut()))
        await restart(t, bench)
        await isWell(t, bench)
      }
    },
  )

for (const [at, border] of ofRenewing.entries())
  t.test(`an escrow for another: an error ${border}, and the node tries again, or starts again`, async t => {
    const bench = await newBench(5, 'escrow')
    const world = bench.start({ border: failsAt(at + 1, new Error('some error')) })
    await escrowAnew(world).catch((error: unknown) => t.match(error, { message: 'some error' }))
    await shareAnew(world, bench.plan).catch((error: unknown) =>
      t.match(error, { message: /start the node again/ }),
    )
    t.ok(await unlock(bench.disk, bench.start()), 'some way opens the disk')
    await restart(t, bench)
    await isWell(t, bench)
  })

t.test('an escrow for another: the new secret alone opens, is lent once it does, and is wiped', async t => {
  const bench = await newBench(5, 'escrow')
  const old = Buffer.from(bench.disk.escrow ?? '')
  const seen: Buffer[] = []
  await escrowAnew(bench.start(), secret => {
    seen.push(secret)
    t.same([...bench.disk.keyslots.values()], [secret], 'no other keyslot is there')
    t.notOk(secret.equals(old))
    return Promise.resolve()
  })
  t.match(bench.disk.record.openings, { current: { kind: 'escrow', number: 2 }, next: undefined })
  t.ok(seen.length === 1 && seen.every(isWiped))
})

/** The borders that a change passes when nothing goes wrong. */
async function bordersOf(
  bench: Bench,
  change: (world: ShareWorld, plan: SharePlan) => Promise<void> = shareAnew,
): Promise<readonly string[]> {
  const passed: string[] = []
  await change(bench.start({ border: (when, call) => void passed.push(`${when} ${call}`) }), bench.plan)
  return passed
}

/** Throws once, at the border of that number, from 1. */
function failsAt(place: number, error: Error): Border {
  let passed = 0
  return () => {
    if (++passed === place) throw error
  }
}

/** Takes all guardians away but these; returns what brings them back. */
function leaveOnly({ guardians }: Bench, some: readonly string[]): () => void {
  const all = [...guardians]
  for (const [guardian] of all) if (!some.includes(guardian)) guardians.delete(guardian)
  return () => {
    for (const [guardian, one] of all) guardians.set(guardian, one)
  }
}

/** The node starts, its disk opens, and what was cut off is ended. Returns true where that was cut off as well. */
async function restart(t: Test, bench: Bench, border?: Border): Promise<boolean> {
  const way = await unlock(bench.disk, bench.start())
  if (way === undefined) throw new Error('no way opens the disk')
  try {
    await settle(bench.start(border === undefined ? {} : { border }), way)
    return false
  } catch (error) {
    t.type(error, PowerCut)
    return true
  }
}

/** The node is as if nothing had happened: nothing is there that no way names, and its secret can be shared again. */
async function isWell(t: Test, { disk, plan, start }: Bench): Promise<void> {
  const before = { left: leftOver(disk), next: disk.record.openings.next }
  await shareAnew(start(), plan)
  const { current } = disk.record.openings
  const opened = await unlock(disk, start())
  const after = { kind: current.kind, isOpened: opened === current, left: leftOver(disk) }
  t.same(
    { before, after },
    { before: { left: [], next: undefined }, after: { kind: 'shares', isOpened: true, left: [] } },
  )
}

function isWiped(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0)
}
