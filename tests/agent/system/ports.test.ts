import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Netlink } from '../../../agent/system/netlink.ts'
import { portReader } from '../../../agent/system/ports.ts'

const heldPorts = portReader()
// The size of the receive buffer is for root to force.
const skip = process.getuid?.() === 0 ? false : 'needs root'

t.test('a listening socket is told with its user', { skip }, async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  t.same(
    heldPorts().filter(held => held.port === port),
    [{ protocol: 'tcp', port, uid: 0 }],
  )
})

t.test('a UDP socket is told', { skip }, async t => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const { port } = socket.address()
  t.ok(heldPorts().some(held => held.protocol === 'udp' && held.port === port && held.uid === 0))
})

const holdFile = join(import.meta.dirname, '../../../services/probe/hold.ts')
const holders = [
  ['bound and never listens', 'holdPort(["tcp", "127.0.0.1", port])', 'done'],
  ['waiting for an answer', 'holdPortWaiting(["tcp", "127.0.0.1", port], busy)', 'EINPROGRESS'],
] as const
for (const [what, taking, outcome] of holders)
  t.test(`a socket that is ${what} is told with the user that made it`, { skip }, async t => {
    // Of a queue that is full, whoever calls it gets no answer.
    const program = `
import { createServer } from 'node:net'
import { holdPort, holdPortWaiting } from '${holdFile}'
const listening = (server, options) => new Promise(r => server.listen(options, () => r(server.address().port)))
const first = createServer()
const port = await listening(first, { port: 0, host: '127.0.0.1' })
await new Promise(r => first.close(r))
const busy = ['127.0.0.1', await listening(createServer(), { port: 0, host: '127.0.0.1', backlog: 1 })]
process.setuid(65534)
for (let n = 0; n < 8; n++) holdPortWaiting(['tcp', '127.0.0.1', 0], busy)
process.stdout.write(port + ' ' + ${taking})`
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    const [port, done] = said.toString().split(' ')
    t.equal(done, outcome)
    t.same(
      heldPorts().filter(held => held.port === Number(port)),
      [{ protocol: 'tcp', port: Number(port), uid: 65_534 }],
    )
  })

t.test('a port that was given up is not told', { skip }, async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  t.notOk(heldPorts().some(held => held.port === port))
})

/** A kernel that answers each question with these datagrams. */
function kernel(...answers: readonly Buffer[]) {
  const waiting: Buffer[] = []
  const did: string[] = []
  const open = (): Netlink => {
    did.push('open')
    return {
      send: () => void waiting.push(...answers),
      receive: () => waiting.shift(),
      close: () => {
        did.push('close')
        waiting.length = 0
      },
    }
  }
  return { open, did }
}

function message(type: number, body: Buffer, length = body.length + 16): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(length, 0)
  header.writeUInt16LE(type, 4)
  return Buffer.concat([header, body])
}

function answer(port: number, uid: number): Buffer {
  const body = Buffer.alloc(72)
  body.writeUInt16BE(port, 4)
  body.writeUInt32LE(uid, 64)
  return message(20, body)
}

const done = message(3, Buffer.alloc(4))

t.test('answers come several in a datagram, and in several datagrams, on one socket', async t => {
  const { open, did } = kernel(Buffer.concat([answer(53, 1004), answer(80, 0)]), answer(10_100, 1001), done)
  const ports = [
    [53, 1004],
    [80, 0],
    [10_100, 1001],
  ]
  const read = portReader(open)
  for (const time of ['once', 'again'])
    t.same(
      read().map(({ protocol, port, uid }) => [protocol, port, uid]),
      ['tcp', 'udp'].flatMap(protocol => ports.map(pair => [protocol, ...pair])),
      time,
    )
  t.same(did, ['open'])
})

const enoent = Buffer.alloc(20)
enoent.writeInt32LE(-2, 0)
const bad = [
  ['no end', [answer(53, 0)], /the answer has no end/],
  ['no answer', [], /the answer has no end/],
  ['a kernel without it', [message(2, enoent)], /errno 2/],
  ['an answer too short', [message(20, Buffer.alloc(71))], /an answer of 71 bytes/],
  ['a length beyond the datagram', [message(20, Buffer.alloc(72), 1000)], /a message of 1000 bytes/],
  ['a length that leads nowhere', [message(20, Buffer.alloc(72), 0)], /a message of 0 bytes/],
] as const
for (const [why, answers, error] of bad)
  t.test(`refused: ${why}; the next question has a socket of its own`, async t => {
    const { open, did } = kernel(...answers)
    const read = portReader(open)
    for (const time of ['once', 'again']) t.throws(read, { message: error }, time)
    t.same(did, ['open', 'close', 'open', 'close'])
  })
