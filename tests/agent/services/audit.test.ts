import t from 'tap'
import { type AuditWorld, startAudit } from '../../../agent/services/audit.ts'
import { acknowledgement, denial, statusAnswer } from './audit-samples.ts'

type Kernel = {
  /** What waits in the socket. */
  readonly queue: Buffer[]
  /** The errno of its answer to each message with a sequence number. */
  readonly refuses: Readonly<Record<number, number>>
  readonly answers?: boolean
}

/** A kernel that is a queue. */
function fakeWorld(kernel: Kernel) {
  const sent: { type: number; mask: number; pid: number; backlogLimit: number; waitTime: number }[] = []
  const log: string[] = []
  const seen = { closed: false, broken: false, nowMs: 0, messageMs: 0, look: () => undefined as unknown }
  const world: AuditWorld = {
    open: () => ({
      send: message => {
        const bytes = Buffer.from(message)
        const type = bytes.readUInt16LE(4)
        const at = (offset: number) => (type === 1001 ? bytes.readUInt32LE(16 + offset) : 0)
        sent.push({ type, mask: at(0), pid: at(12), backlogLimit: at(20), waitTime: at(36) })
        const sequence = bytes.readUInt32LE(8)
        if (type === 1001 && kernel.answers !== false)
          kernel.queue.push(acknowledgement(sequence, kernel.refuses[sequence] ?? 0))
      },
      receive: () => {
        if (seen.broken) throw new Error('recvfrom: EBADF')
        seen.nowMs += seen.messageMs
        return kernel.queue.shift()
      },
      close: () => (seen.closed = true),
    }),
    pid: 1,
    every: (_, task) => (seen.look = task),
    nowMs: () => seen.nowMs,
    log: line => log.push(line),
  }
  return { world, sent, log, seen, look: () => seen.look() }
}

function setUp(kernel: Partial<Kernel> = {}) {
  const queue: Buffer[] = []
  const fake = fakeWorld({ queue, refuses: {}, ...kernel })
  const audit = startAudit(fake.world, [1001, 1002], new AbortController().signal)
  return { ...fake, queue, audit }
}

t.test('it becomes the audit daemon: no waiting, a long queue, and no records of system calls', async t => {
  const { audit, sent, log } = setUp()
  t.equal(audit.state(), 'on')
  t.same(sent, [
    { type: 1001, mask: 0x3b, pid: 0, backlogLimit: 8192, waitTime: 0 },
    { type: 1001, mask: 4, pid: 1, backlogLimit: 0, waitTime: 0 },
  ])
  t.same(log, [])
})

t.test('1,000 denied calls count as 1,000, by service and by name', async t => {
  const { audit, queue, look } = setUp()
  for (let index = 0; index < 1000; index++)
    queue.push(denial({ uid: index % 4 === 0 ? 1002 : 1001, syscall: index % 4 === 1 ? 165 : 101 }))
  look()
  t.same(audit.deniedBy(1001), { ptrace: 500, mount: 250 })
  t.same(audit.deniedBy(1002), { ptrace: 250 })
  t.equal(audit.lost(), 0)
})

t.test('a flood is read in parts, and nothing of it is forgotten', async t => {
  const { audit, queue, look } = setUp()
  for (let index = 0; index < 2500; index++) queue.push(denial({}))
  const after = [look, look, look].map(turn => {
    turn()
    return audit.deniedBy(1001)['mount']
  })
  t.same(after, [1000, 2000, 2500])
})

t.test('on a slow machine a look ends after 20 ms, and the next goes on', async t => {
  const { audit, queue, look, seen } = setUp()
  seen.messageMs = 1
  for (let index = 0; index < 30; index++) queue.push(denial({}))
  look()
  t.equal(audit.deniedBy(1001)['mount'], 20)
  look()
  t.equal(audit.deniedBy(1001)['mount'], 30)
})

t.test('the kernel is asked what it lost, and the answer is told', async t => {
  const { audit, queue, look, sent } = setUp()
  for (let turn = 0; turn < 41; turn++) look()
  t.equal(sent.filter(({ type }) => type === 1000).length, 3)
  queue.push(statusAnswer(17))
  look()
  t.equal(audit.lost(), 17)
})

t.test('calls of others, strange numbers and noise are no names of a service', async t => {
  const { audit, queue, look } = setUp()
  queue.push(denial({ uid: 0 }), denial({ uid: 1003 }), Buffer.from('noise'), denial({ type: 1325 }))
  queue.push(denial({ syscall: 9999 }), denial({ syscall: -1 }), denial({ arch: '40000003', syscall: 5 }))
  look()
  t.same([audit.deniedBy(1001), audit.deniedBy(1002), audit.deniedBy(0)], [{ other: 3 }, {}, {}])
})

t.test('a service that tries every call fills 65 names, and no call is missing in the sum', async t => {
  const { audit, queue, look } = setUp()
  for (let syscall = 0; syscall < 300; syscall++) queue.push(denial({ syscall }))
  queue.push(denial({ syscall: 299 }))
  look()
  const counts = audit.deniedBy(1001)
  t.equal(Object.keys(counts).length, 65)
  t.equal(
    Object.values(counts).reduce((sum, count) => sum + count),
    301,
  )
  t.equal(counts['recvmmsg'], 2, 'the most frequent is among those that are named')
})

const refusing = [
  [
    'has no audit',
    {
      open: () => {
        throw new Error('socket: EPROTONOSUPPORT')
      },
    },
    /EPROTONOSUPPORT/,
  ],
  ['refuses the settings', { refuses: { 1: 1 } }, /errno 1/],
  ['has an audit daemon already', { refuses: { 2: 17 } }, /errno 17/],
  ['does not answer', { answers: false }, /no answer/],
] as const
for (const [why, how, said] of refusing)
  t.test(`a kernel that ${why}: unavailable, and said once`, async t => {
    const fake = fakeWorld({ queue: [], refuses: {}, ...('open' in how ? {} : how) })
    const world = 'open' in how ? { ...fake.world, ...how } : fake.world
    const audit = startAudit(world, [1001], new AbortController().signal)
    t.equal(audit.state(), 'unavailable')
    t.same(audit.deniedBy(1001), {})
    t.equal(fake.log.length, 1)
    t.match(fake.log[0], said)
    if (!('open' in how)) t.ok(fake.seen.closed)
  })

t.test('a socket that breaks is given up; what was counted stays', async t => {
  const { audit, queue, look, seen, log } = setUp()
  queue.push(denial({}))
  look()
  seen.broken = true
  look()
  look()
  t.equal(audit.state(), 'unavailable')
  t.same(audit.deniedBy(1001), { mount: 1 })
  t.equal(log.length, 1)
  t.ok(seen.closed)
})
