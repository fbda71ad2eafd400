import t from 'tap'
import { toBase64url } from '../../../protocol/fields.ts'
import { statementAnswerSchema } from '../../../protocol/shares/guardian.ts'
import { someShare } from '../../agent/guardian/store-samples.ts'
import {
  addresses,
  type Answer,
  first,
  guardian,
  guardianBench,
  holding,
  refusal,
  second,
  third,
} from './cluster.ts'

// The whole: routes, Unix socket and store in one process, with nodes that sign as real ones do.

t.test('a node that deposited its share and said goodbye gets it back when it starts again', async t => {
  const { alice, share, lines } = await holding(t)
  await alice.state('lease', {})
  t.match(await alice.state('goodbye', {}), { status: 200, body: { holds: [first] } })
  t.same((await alice.release(first)).share, share)
  t.match(lines, [
    RegExp(`^deposit of epoch 1-${first.id} by ${alice.nodeId} at 127.0.0.2, number 1: done$`),
    RegExp(`^goodbye by ${alice.nodeId} at 127.0.0.2, number 3: done$`),
    RegExp(
      `^release of epoch 1-${first.id} to ${alice.nodeId} at 127.0.0.2, boot (ab){16}: given: no lease$`,
    ),
  ])
})

t.test('the session names guardian, key, number and what is held', async t => {
  const { alice } = await holding(t)
  await alice.state('lease', {})
  t.match(await alice.session(), { guardian: guardian.nodeId, number: 2, holds: [first] })
  const [one, two] = [await alice.session(), await alice.session()]
  t.not(one.nonce, two.nonce)
  t.same([one.session, one.key], [two.session, two.key])
})

t.test('every statement is answered with what is held of that node', async t => {
  const { alice, bob } = await holding(t)
  const holds = (answer: Answer) => statementAnswerSchema.parse(answer.body).holds
  t.same(holds(await alice.deposit(second, someShare(), [first])), [first, second])
  t.same(holds(await alice.state('lease', {})), [first, second])
  t.same(holds(await alice.deposit(third, someShare(), [second])), [second, third])
  t.same(holds(await alice.state('keep', { keep: [third] })), [third])
  t.same(holds(await bob.state('lease', {})), [])
  t.same(holds(await alice.state('keep', { keep: [] })), [])
  t.match(await alice.release(third), { status: 404, body: { reason: 'no-share', holds: [] } })
})

t.test('while a node lives nobody has its share, its original excepted', async t => {
  const { alice, share, clock, lines } = await holding(t)
  await alice.state('lease', {})
  clock.ms += 45_000
  t.match(refusal(await alice.release(first)), { status: 409, reason: 'lease', retryS: 15 })
  t.same((await alice.release(first, {}, 'original')).share, share)
  await alice.state('lease', {})
  clock.ms += 59_999
  t.match(refusal(await alice.release(first)), { status: 409, reason: 'lease', retryS: 1 })
  clock.ms += 1
  t.same((await alice.release(first)).share, share)
  t.match(lines.slice(1), [
    /: refused: lease, retry in 15 s$/,
    /: given: original$/,
    /: refused: lease, retry in 1 s$/,
    /: given: after unclean stop$/,
  ])
})

t.test(
  'a guardian that has just started gives nothing but to an original: it does not know who lives',
  async t => {
    const { alice, share, clock } = await holding(t, { upMs: 0 })
    t.match(refusal(await alice.release(first)), { status: 425, reason: 'starting', retryS: 20 })
    t.same((await alice.release(first, {}, 'original')).share, share)
    clock.ms += 19_001
    t.match(refusal(await alice.release(first)), { status: 425, reason: 'starting', retryS: 1 })
    clock.ms += 999
    t.same((await alice.release(first)).share, share)
  },
)

t.test('a restart keeps shares and lowest releases, and ends session, nonces and leases', async t => {
  const { bench, alice, share, clock } = await holding(t)
  await alice.state('lease', {})
  await alice.release(first, {}, 'original')
  const [lease, asked, before] = [
    await alice.stated('lease', {}),
    await alice.asking(first),
    await alice.session(),
  ]
  await bench.restart()
  t.match(await alice.session(), { number: 0, holds: [first] })
  t.not((await alice.session()).key, before.key)
  t.match(refusal(await alice.post('statement', lease)), { status: 409, reason: 'session' })
  clock.ms += 20_000
  t.match(refusal(await alice.post('release', asked.signed)), { status: 403, reason: 'not-signed' })
  t.match(refusal(await alice.release(first, { release: { counter: 1, floor: 1 } })), { reason: 'release' })
  t.same((await alice.release(first)).share, share)
})

t.test('a live node that says so in the first 20 s keeps its share from others after them', async t => {
  const { bench, alice, clock } = await holding(t)
  await bench.restart()
  clock.ms += 15_000
  await alice.state('lease', {})
  clock.ms += 15_000
  t.match(refusal(await alice.release(first)), { reason: 'lease', retryS: 45 })
})

t.test('a statement counts once, in its order', async t => {
  const { alice } = await holding(t)
  const [goodbye, lease] = [await alice.stated('goodbye', {}), await alice.stated('lease', {})]
  t.equal((await alice.post('statement', lease)).status, 200)
  for (const again of [lease, goodbye])
    t.match(refusal(await alice.post('statement', again)), { status: 409, reason: 'session' })
  t.match(refusal(await alice.release(first)), { reason: 'lease' }, 'the goodbye did not count')
})

t.test('a request for a share counts once', async t => {
  const { alice } = await holding(t)
  const { signed } = await alice.asking(first)
  t.equal((await alice.post('release', signed)).status, 200)
  t.match(refusal(await alice.post('release', signed)), { status: 403, reason: 'not-signed' })
})

t.test('a nonce is used up also where the share is refused', async t => {
  const { alice } = await holding(t)
  await alice.state('lease', {})
  const { signed } = await alice.asking(first)
  t.match(refusal(await alice.post('release', signed)), { reason: 'lease' })
  await alice.state('goodbye', {})
  t.match(refusal(await alice.post('release', signed)), { reason: 'not-signed' })
})

t.test('a share of a node that an operator has held is given to nobody', async t => {
  const { bench, alice, share, clock } = await holding(t)
  const members = bench.list.members
  bench.list = {
    ...bench.list,
    members: members.map(one => ({ ...one, held: one.nodeId === alice.nodeId })),
  }
  clock.ms += 1000
  t.match(refusal(await alice.release(first)), { status: 423, reason: 'held' })
  t.match(refusal(await alice.release(first, {}, 'original')), { status: 423, reason: 'held' })
  t.equal((await alice.state('lease', {})).status, 200)
  bench.list = { ...bench.list, members }
  clock.ms += 60_000
  t.same((await alice.release(first)).share, share)
})

t.test('a node that was put out is no member a second later', async t => {
  const { bench, alice, clock } = await holding(t)
  bench.list = { ...bench.list, members: bench.list.members.filter(one => one.nodeId !== alice.nodeId) }
  const { signed } = await alice.asking(first)
  const lease = await alice.stated('lease', {})
  clock.ms += 1000
  t.match(refusal(await alice.post('release', signed)), { status: 403, reason: 'not-a-member' })
  t.match(refusal(await alice.post('statement', lease)), { status: 403, reason: 'not-a-member' })
})

const release = (counter: number, floor: number) => ({ release: { counter, floor } })

t.test(
  'no release gets a share that is older than the lowest that the node said it goes back to',
  async t => {
    const { alice, share } = await holding(t)
    t.same((await alice.release(first, release(5, 4))).share, share)
    t.same((await alice.release(first, release(4, 4))).share, share, 'the other slot does')
    for (const old of [release(3, 3), release(0, 0)])
      t.match(refusal(await alice.release(first, old)), { status: 403, reason: 'release' })
    t.match(refusal(await alice.release(first, release(3, 3), 'original')), { reason: 'release' })
  },
)

t.test('a request that is refused raises no lowest release', async t => {
  const { alice } = await holding(t)
  await alice.state('lease', {})
  t.match(refusal(await alice.release(first, release(9, 9))), { reason: 'lease' })
  t.match(refusal(await alice.release(first, release(9, 10), 'original')), { reason: 'release' })
  await alice.state('goodbye', {})
  t.equal((await alice.release(first, release(1, 1))).status, 200)
})

t.test('thirty requests a minute are answered; who waits as told is answered again', async t => {
  const { alice, bob, clock, lines } = await holding(t)
  const statuses: number[] = []
  for (let at = 0; at < 30; at++) statuses.push((await alice.release(first)).status)
  t.same(new Set(statuses), new Set([200]))
  t.match(refusal(await alice.release(first)), { status: 429, reason: 'too-many', retryS: 60 })
  t.match(lines.at(-1), /refused: too-many, retry in 60 s$/)
  t.match(refusal(await bob.release(first)), { reason: 'no-share' })
  clock.ms += 60_000
  t.equal((await alice.release(first)).status, 200)
})

t.test('sixty statements a minute are taken', async t => {
  const { bob } = await guardianBench(t)
  for (let at = 0; at < 60; at++) t.equal((await bob.state('lease', {})).status, 200)
  t.match(refusal(await bob.state('goodbye', {})), { status: 429, reason: 'too-many' })
})

t.test("nobody uses up another's turns", async t => {
  const { alice, bob } = await holding(t)
  const { signed } = await alice.asking(first)
  for (let at = 0; at < 32; at++) await bob.post('release', signed)
  t.equal((await alice.post('release', signed)).status, 200)
})

t.test('a key of low order gets no share', async t => {
  const { alice } = await holding(t)
  const answer = await alice.release(first, { oneTimeKey: toBase64url(Buffer.alloc(32)) })
  t.match(answer, { status: 400, body: { error: 'the one-time key is no usable point' } })
})

t.test('no share and no key is ever in the log', async t => {
  const { alice, bob, share, lines } = await holding(t)
  await alice.release(first)
  await bob.release(first)
  await alice.release(first, { oneTimeKey: toBase64url(Buffer.alloc(32)) })
  await alice.state('keep', { keep: [] })
  for (const secret of [share.toString('hex'), share.toString('base64url'), share.toString('base64')])
    t.notOk(lines.some(line => line.includes(secret.slice(0, 16))))
  t.equal(lines.length, 5)
})

t.test('it is ready while the store answers, and healthy also when it does not', async t => {
  const { bench, ask, alice } = await holding(t)
  const [ready, health] = ['/v1/guardian/ready', '/v1/guardian/health']
  t.same(await ask(addresses.alice, ['GET', ready]), { status: 200, body: { ready: true } })
  const { signed } = await alice.asking(first)
  await bench.endStore()
  t.match(await ask(addresses.alice, ['GET', ready]), { status: 503 })
  t.same(await ask(addresses.alice, ['GET', health]), { status: 200, body: { healthy: true } })
  t.match(await alice.post('release', signed), { status: 503 })
})

t.test('where the shares are unreadable nothing is given and nothing is kept', async t => {
  const { alice, lines, ask } = await guardianBench(t, { box: Buffer.alloc(64) })
  t.match(await ask(alice.address, ['GET', `/v1/guardian/session?node=${alice.nodeId}`]), { status: 503 })
  t.match(lines, ['store: status 503', /^session for .*: the store of this guardian does not answer$/])
})
