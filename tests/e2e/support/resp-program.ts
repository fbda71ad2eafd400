import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

/**
 * Runs in a test's network namespace: says commands of RESP (Redis' protocol), JSON from standard input, one after
 * the other to 'address:port', and prints the replies as JSON: '+OK', '-ERR …', ':1', or '$' and the bytes.
 */
const [address = '', port = ''] = (process.argv[2] ?? '').split(':')
const commands = JSON.parse(await text(process.stdin)) as string[][]
const socket = connect({ host: address, port: Number(port), timeout: 30_000 })
socket.on('timeout', () => socket.destroy(new Error('no answer')))

// One character a byte: lengths are counted in bytes.
let received = ''
const replies: string[] = []
const chunks = socket.setEncoding('latin1')[Symbol.asyncIterator]()
for (const words of commands) {
  socket.write(`*${words.length}\r\n${words.map(w => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join('')}`)
  replies.push(await reply())
}
socket.destroy()
process.stdout.write(JSON.stringify(replies.map(r => Buffer.from(r, 'latin1').toString())))

async function reply(): Promise<string> {
  const line = await until(() => received.indexOf('\r\n'), 2)
  if (!line.startsWith('$') || line === '$-1') return line
  const bytes = Number(line.slice(1))
  return `$${await until(() => (received.length >= bytes + 2 ? bytes : -1), 2)}`
}

/** Takes what stands before the end that `find` sees, and drops the end. */
async function until(find: () => number, endLength: number): Promise<string> {
  for (let at = find(); ; at = find()) {
    if (at >= 0) {
      const taken = received.slice(0, at)
      received = received.slice(at + endLength)
      return taken
    }
    const next: IteratorResult<unknown> = await chunks.next()
    if (next.done === true) throw new Error('Cannot read the reply: the connection ended')
    received += String(next.value)
  }
}
