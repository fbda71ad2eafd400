import t from 'tap'
import {
  type Answer,
  type Collected,
  collectSecret,
  describeCollected,
} from '../../../agent/shares/collect.ts'
import { GuardianRefusal } from '../../../agent/shares/world.ts'
import type { EpochId } from '../../../protocol/shares/epoch.ts'
import { newBench } from './bench.ts'
import { guardianOn } from './fake-guardian.ts'

// Five guardians, three of whose shares are needed. Those that a test does not speak of answer late: what the others
// said is known by then.
const bench = await newBench(5, 'shares')
const { current } = bench.disk.record.openings
if (current.kind !== 'shares') throw new TypeError('the bench has no shares')
const { epoch, keyslot } = current
const node = bench.disk.record.nodeId
const secret = bench.disk.keyslots.get(keyslot)
const [first = '', second = '', third = '', fourth = '', fifth = ''] = bench.plan.guardians

type Given = (guardian: string, signal: AbortSignal) => Promise<Buffer>

const good: Given = (guardian, signal) => {
  const store = bench.stores.get(guardian)
  return store === undefined
    ? Promise.reject(new Error('no such guardian'))
    : guardianOn(store).release(node, epoch, signal)
}
const lateGood: Given = async (guardian, signal) => {
  await new Promise(resolve => setImmediate(resolve))
  return good(guardian, signal)
}
const changed =
  (change: (share: Buffer) => Buffer): Given =>
  async (guardian, signal) =>
    change(await good(guardian, signal))
const never: Given = () => Promise.withResolvers<Buffer>().promise
const refuses =
  (refusal: GuardianRefusal): Given =>
  () =>
    Promise.reject(refusal)

const old = await newBench(5, 'shares')

/** How a guardian answers that gives no good share, and what is said of it; undefined: it was not waited for. */
const bad: readonly (readonly [string, Given, Answer | undefined])[] = [
  ['gives a share with one bit changed', changed(share => flipped(share, 5)), { kind: 'wrong' }],
  ['gives a share with another x', changed(share => flipped(share, 96)), { kind: 'wrong' }],
  ['gives a share with x = 0', changed(share => Buffer.from(share).fill(0, 96)), { kind: 'wrong' }],
  ['gives half a share', changed(share => share.subarray(0, 48)), { kind: 'wrong' }],
  ['gives nothing', changed(() => Buffer.alloc(0)), { kind: 'wrong' }],
  ['gives more than a share', changed(share => Buffer.concat([share, share])), { kind: 'wrong' }],
  ['gives the share of another guardian', (_, signal) => good(fifth, signal), { kind: 'wrong' }],
  ['gives its share of another epoch', async guardian => shareIn(old, guardian), { kind: 'wrong' }],
  [
    'says that a lease lives',
    refuses(new GuardianRefusal('lease', 'in use', 40)),
    { kind: 'refused', reason: 'lease', retryS: 40 },
  ],
  [
    'has none',
    refuses(new GuardianRefusal('no-share', 'none')),
    { kind: 'refused', reason: 'no-share', retryS: undefined },
  ],
  ['is away', async () => Promise.reject(new Error('timed out')), { kind: 'silent', why: 'timed out' }],
  ['never answers', never, undefined],
]

for (const [how, given, answer] of bad) {
  t.test(
    `collectSecret(): two of five guardians: each ${how}; it is told of them, the others do`,
    async t => {
      const { collected, lent } = await collect({ [first]: given, [second]: given })
      t.same(collected.secret, secret)
      for (const guardian of [first, second]) t.same(collected.answers.get(guardian), answer)
      for (const guardian of [third, fourth]) t.same(collected.answers.get(guardian), { kind: 'good' })
      t.ok(lent.length > 0 && lent.every(isWiped), 'shares are wiped')
    },
  )

  if (answer !== undefined)
    t.test(`collectSecret(): three of five guardians: each ${how}: one share is missing`, async t => {
      const { collected, lent } = await collect({ [first]: given, [second]: given, [third]: given })
      t.equal(collected.secret, undefined)
      t.match(collected, { missing: 1 })
      t.equal(collected.answers.size, 5)
      t.same(collected.answers.get(third), answer)
      t.ok(lent.every(isWiped), 'good shares too are wiped')
    })
}

t.test('collectSecret() waits for no more than it needs, and wipes what comes then', async t => {
  const late = Promise.withResolvers<Buffer>()
  const share = await good(first, new AbortController().signal)
  const stopped: boolean[] = []
  const { collected } = await collect({
    [first]: (_, signal) => {
      signal.addEventListener('abort', () => stopped.push(true))
      return late.promise
    },
  })
  t.same(collected.secret, secret)
  t.equal(collected.answers.has(first), false)
  t.same(stopped, [true], 'it is told that nobody waits any more')
  late.resolve(share)
  await new Promise(resolve => setImmediate(resolve))
  t.ok(isWiped(share))
  t.equal(collected.answers.has(first), false, 'and is not blamed')
})

t.test(
  'collectSecret() says of each share that it took that it was good, also where they come at once',
  async t => {
    const { collected, lent } = await collect(
      Object.fromEntries(bench.plan.guardians.map(one => [one, good])),
    )
    t.same(collected.secret, secret)
    t.same([...collected.answers.values()], Array(3).fill({ kind: 'good' }))
    await new Promise(resolve => setImmediate(resolve))
    t.ok(lent.length === 5 && lent.every(isWiped), 'the two that came with them are wiped as well')
  },
)

t.test('collectSecret() ends when it is told to: what is there does not suffice', async t => {
  const stop = new AbortController()
  const [asked, share] = [Promise.withResolvers<Buffer>(), await good(third, stop.signal)]
  const ended = collect(
    { [first]: good, [second]: good, [third]: () => asked.promise, [fourth]: never, [fifth]: never },
    stop.signal,
  )
  await new Promise(resolve => setImmediate(resolve))
  stop.abort()
  const { collected, lent } = await ended
  t.match(collected, { missing: 1 })
  t.same([...collected.answers.keys()], [first, second])
  asked.resolve(share)
  await new Promise(resolve => setImmediate(resolve))
  t.ok(isWiped(share) && lent.every(isWiped))
})

t.test('collectSecret() does not blame a guardian whose share comes as it is told to end', async t => {
  const stop = new AbortController()
  const asked = Promise.withResolvers<Buffer>()
  const share = await good(first, stop.signal)
  const release = (guardian: string) => (guardian === first ? asked.promise : never(guardian, stop.signal))
  const ended = collectSecret({ node, epoch, guardians: { release }, signal: stop.signal })
  asked.resolve(share)
  stop.abort()
  const { answers } = await ended
  t.same([...answers], [])
  t.ok(isWiped(share))
})

t.test('collectSecret() that is told to end before it began asks for nothing that it takes', async t => {
  const all = Object.fromEntries(bench.plan.guardians.map(guardian => [guardian, good]))
  const { collected, lent } = await collect(all, AbortSignal.abort())
  t.match(collected, { missing: 3 })
  await new Promise(resolve => setImmediate(resolve))
  t.ok(lent.every(isWiped))
})

const lines: readonly (readonly [Collected, string])[] = [
  [
    {
      missing: 2,
      tookS: 30,
      answers: new Map<string, Answer>([
        [first, { kind: 'good' }],
        [second, { kind: 'wrong' }],
        [third, { kind: 'refused', reason: 'held', retryS: undefined }],
        [fourth, { kind: 'silent', why: 'timed out' }],
      ]),
    },
    `need 3 of 5, 2 missing: ${first} good, ${second} gave a wrong share, ${third} refused (held), ` +
      `${fourth} no answer (timed out), ${fifth} not waited for (silent for 30.0 s)`,
  ],
  [
    { secret: Buffer.alloc(32), tookS: 1.26, answers: new Map() },
    `need 3 of 5: ${bench.plan.guardians.map(one => `${one} not waited for (silent for 1.3 s)`).join(', ')}`,
  ],
]

for (const [collected, line] of lines)
  t.test(`describeCollected() says: ${line.slice(0, 40)}…`, async t => {
    t.equal(describeCollected(epoch, collected), `epoch ${epoch.number}-${epoch.id}: ${line}`)
  })

/** Asks the five, who answer as told; returns also the shares that they handed out. */
async function collect(given: Readonly<Record<string, Given>>, signal = new AbortController().signal) {
  const lent: Buffer[] = []
  const release = async (guardian: string, asked: EpochId, stop: AbortSignal) => {
    if (asked.id !== epoch.id) throw new RangeError('asked for another epoch')
    const share = await (given[guardian] ?? lateGood)(guardian, stop)
    lent.push(share)
    return share
  }
  return { collected: await collectSecret({ node, epoch, guardians: { release }, signal }), lent }
}

function flipped(share: Buffer, at: number): Buffer {
  share[at] = (share[at] ?? 0) ^ 1
  return share
}

function shareIn({ stores, disk }: typeof bench, guardian: string): Buffer {
  return Buffer.from(stores.get(guardian)?.get(disk.record.nodeId)?.[0]?.share ?? '')
}

function isWiped(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0)
}
