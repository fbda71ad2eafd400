import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import t from 'tap'
import { askServer } from '../../../agent/network/clock-world.ts'
import { type ClockOptions, type ClockWorld, refuseStep, startClock } from '../../../agent/network/clock.ts'

const builtMs = Date.UTC(2026, 10, 1)
const hourMs = 3_600_000
const dayMs = 24 * hourMs

type Answer = number | Error | Promise<number>

type More = {
  readonly rounds?: number
  readonly data?: ReturnType<ClockOptions['data']>
  readonly hasHardware?: boolean
}

/**
 * A clock that shows `startMs`; servers by name with the offset that they say, or an error. The boot's
 * waiting ends when a test calls the `end` of it.
 */
function fakeWorld(
  startMs: number,
  servers: Readonly<Record<string, Answer>>,
  { rounds = 1, data = 'blank', hasHardware = true }: More = {},
) {
  const stop = new AbortController()
  const lines: string[] = []
  const pauses: number[] = []
  const hardware: number[] = []
  const waits: { readonly ms: number; readonly signal: AbortSignal; readonly end: () => void }[] = []
  let nowMs = startMs
  let over: () => void
  const ended = new Promise<void>(resolve => (over = resolve))
  const world: ClockWorld = {
    ask: async server => {
      const offset = await (servers[server] ?? new Error('unknown'))
      if (typeof offset !== 'number') throw offset
      return { offsetMs: offset, delayMs: 1, stratum: 2 }
    },
    nowMs: () => nowMs,
    setMs: timeMs => (nowMs = timeMs),
    setHardwareMs: timeMs => {
      if (!hasHardware) throw new Error('no hardware clock')
      hardware.push(timeMs)
    },
    sleep: (ms, signal) => {
      if (signal !== stop.signal)
        return new Promise((resolve, reject) => {
          waits.push({ ms, signal, end: resolve })
          signal.addEventListener('abort', () => reject(new Error()))
        })
      pauses.push(ms)
      if (pauses.length >= rounds) {
        stop.abort()
        over()
      }
      return Promise.resolve()
    },
    random: () => 0.5,
    log: line => lines.push(line),
  }
  const options = { servers: () => Object.keys(servers), builtMs, data: () => data, signal: stop.signal }
  return { world, options, ended, nowMs: () => nowMs, lines, pauses, waits, hardware }
}

t.test('a clock that is older than the image shows its build time before anybody is asked', async t => {
  const { world, options, nowMs } = fakeWorld(0, { a: 5000 })
  await startClock(world, options)
  t.equal(nowMs(), builtMs + 5000)
})

const believed = [
  ['one server', { a: 60_000 }, 60_000],
  ['the middle one of three', { a: 60_000, liar: -9_000_000, b: 60_100 }, 60_000],
  ['those that answer', { dead: new Error('silence'), a: 60_000 }, 60_000],
  ['nobody where none answers', { dead: new Error('silence') }, 0],
  ['nobody where there is no server', {}, 0],
  ['nobody who is older than the image', { a: -365 * dayMs }, 0],
  ['the clock itself where it is right', { a: 20 }, 0],
  [
    'the first four of many',
    { a: 1000, b: 1000, c: 1000, d: 1000, e: 9000, f: 9000, g: 9000, h: 9000, i: 9000 },
    1000,
  ],
] as const
for (const [why, servers, movedMs] of believed)
  t.test(`the clock believes ${why}`, async t => {
    const { world, options, ended, nowMs } = fakeWorld(builtMs + 1e9, servers)
    const started = startClock(world, options)
    await ended
    if (movedMs !== 0) await started
    t.equal(nowMs() - builtMs - 1e9, movedMs)
  })

const silence = new Promise<never>(() => undefined)
const unanswered = [
  ['no server answers', { a: silence, b: silence, c: silence }],
  ['no server can be reached', { dead: new Error('unreachable') }],
  ['there is no server', {}],
  ['every answer is refused', { old: -365 * dayMs }],
] as const
for (const [why, servers] of unanswered)
  t.test(`the boot waits 3 s and goes on where ${why}`, async t => {
    const { world, options, nowMs, waits } = fakeWorld(builtMs, servers)
    let over = false
    const started = startClock(world, options).then(() => (over = true))
    await turnOfTheLoop()
    t.same(
      waits.map(({ ms }) => ms),
      [3000],
    )
    t.notOk(over)
    waits[0]?.end()
    await started
    t.equal(nowMs(), builtMs)
  })

t.test('the boot waits no longer once the time is there', async t => {
  const { world, options, waits } = fakeWorld(builtMs, { a: 5000 })
  await startClock(world, options)
  t.ok(waits[0]?.signal.aborted)
})

t.test('an answer that comes after the boot has gone on is believed', async t => {
  const late = Promise.withResolvers<number>()
  const { world, options, ended, nowMs, waits } = fakeWorld(builtMs, { a: late.promise })
  const started = startClock(world, options)
  waits[0]?.end()
  await started
  t.equal(nowMs(), builtMs)
  late.resolve(5000)
  await ended
  t.equal(nowMs(), builtMs + 5000)
})

t.test('while nobody answers the pauses grow to an hour; afterwards it asks hourly', async t => {
  const { world, options, ended, pauses } = fakeWorld(builtMs, { dead: new Error('silence') }, { rounds: 14 })
  void startClock(world, options)
  await ended
  t.same(pauses.slice(0, 4), [2000, 4000, 8000, 16_000])
  t.equal(pauses.at(-1), hourMs)
  const good = fakeWorld(builtMs, { a: 0 }, { rounds: 3 })
  void startClock(good.world, good.options)
  await good.ended
  t.same(good.pauses, [hourMs, hourMs, hourMs])
})

const ahead = [
  [
    'of a locked node that is 2 hours ahead goes right at the first answer of a boot',
    'locked',
    1,
    -2 * hourMs,
  ],
  ['of a locked node goes back no further once it was set in this boot', 'locked', 2, -2 * hourMs],
  ['of a node whose data is open does not go back', 'open', 2, 0],
  ['of a blank node goes wherever servers say', 'blank', 2, -4 * hourMs],
] as const
for (const [what, data, rounds, movedMs] of ahead)
  t.test(`the clock ${what}`, async t => {
    const startMs = builtMs + 1e9
    const { world, options, ended, nowMs } = fakeWorld(startMs, { a: -2 * hourMs }, { rounds, data })
    void startClock(world, options)
    await ended
    t.equal(nowMs() - startMs, movedMs)
  })

const kept = [
  ['set where the clock was moved', { a: -2 * hourMs }, [builtMs + 1e9 - 2 * hourMs]],
  ['set where the clock was right: the other may not be', { a: 0 }, [builtMs + 1e9]],
  ['left alone where nobody answers', { dead: new Error('silence') }, []],
  ['left alone where the answer is refused', { a: -365 * dayMs }, []],
] as const
for (const [what, servers, wanted] of kept)
  t.test(`the hardware clock is ${what}`, async t => {
    const { world, options, ended, hardware } = fakeWorld(builtMs + 1e9, servers, { data: 'locked' })
    void startClock(world, options)
    await ended
    t.same(hardware, wanted)
  })

t.test('a machine without a hardware clock has its time all the same', async t => {
  const { world, options, nowMs, lines, pauses, ended } = fakeWorld(
    builtMs,
    { a: 5000 },
    { hasHardware: false },
  )
  await startClock(world, options)
  await ended
  t.equal(nowMs(), builtMs + 5000)
  t.match(lines.at(-1), /no hardware clock/)
  t.same(pauses, [hourMs])
})

const steps = [
  ['forward', { offsetMs: 1e9, data: 'open', believed: true }, undefined],
  ['back before enrollment', { offsetMs: -hourMs, data: 'blank', believed: true }, undefined],
  ['back by 5 minutes', { offsetMs: -300_000, data: 'open', believed: true }, undefined],
  ['back to the build at the first answer', { offsetMs: -dayMs, data: 'locked', believed: false }, undefined],
  ['back by more once believed', { offsetMs: -300_001, data: 'locked', believed: true }, /5 minutes/],
  ['back by more once unlocked', { offsetMs: -300_001, data: 'open', believed: false }, /5 minutes/],
  ['to before the build', { offsetMs: -dayMs - 1, data: 'blank', believed: false }, /before the image/],
  [
    'of a locked node to before the build',
    { offsetMs: -dayMs - 1, data: 'locked', believed: false },
    /before/,
  ],
] as const
for (const [why, step, reason] of steps)
  t.test(`a step ${why} is ${reason === undefined ? 'made' : 'refused'}`, async t => {
    const refusal = refuseStep({ nowMs: builtMs + dayMs, builtMs, ...step })
    if (reason === undefined) t.equal(refusal, undefined)
    else t.match(refusal, reason)
  })

/** A server on loopback that answers each question with what `answer` makes of it. */
async function withServer(answer: (request: Buffer) => Buffer[], use: (port: number) => Promise<void>) {
  const server = createSocket('udp4')
  server.on('message', (request, from) => {
    for (const bytes of answer(request)) server.send(bytes, from.port, from.address)
  })
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  await use(server.address().port).finally(() => server.close())
}

function answerTo(request: Buffer, nonceAt = 40): Buffer {
  const message = Buffer.alloc(48)
  message.set([0x24, 1])
  message.set(request.subarray(nonceAt, nonceAt + 8), 24)
  for (const at of [32, 40]) message.writeUInt32BE(Math.floor(Date.now() / 1000) + 100 + 2_208_988_800, at)
  return message
}

t.test('askServer() passes over a forged answer and takes the real one', async t =>
  withServer(
    request => [Buffer.from('nonsense'), answerTo(request, 0), answerTo(request)],
    async port => {
      const { offsetMs } = await askServer({ host: '127.0.0.1', port })
      t.ok(offsetMs > 98_000 && offsetMs < 102_000)
    },
  ),
)

t.test('askServer() says which server is not there', async t => {
  let closed = 0
  await withServer(
    () => [],
    async port => void (closed = port),
  )
  await t.rejects(askServer({ host: '127.0.0.1', port: closed }), {
    message: "Cannot get the time from '127.0.0.1'",
  })
})
