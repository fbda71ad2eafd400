import { createSocket } from 'node:dgram'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

/**
 * A small SNTP responder (RFC 4330, section 6) with a time of its own: the host's plus an offset.
 * As a program: `node sntp.ts --address 192.0.2.1 [--port 123]`; prints `ready`, then for every line with an
 * offset in milliseconds on standard input `offset <ms>` once it holds.
 */
export function answerSntp(request: Uint8Array, nowMs: number): Buffer | undefined {
  if (request.length < packetBytes) return undefined
  const client = Buffer.from(request.buffer, request.byteOffset, packetBytes)
  const first = client.readUInt8(0)
  const version = (first >> 3) & 7
  if ((first & 7) !== modeClient || version < 1 || version > 4) return undefined
  const reply = Buffer.alloc(packetBytes)
  reply.writeUInt8((version << 3) | modeServer, 0)
  reply.writeUInt8(1, 1) // stratum: a primary reference, since we are the time of this network
  reply.writeUInt8(client.readUInt8(2), 2) // poll interval: the client's
  reply.writeInt8(-10, 3) // precision: 2^-10 s, Date.now()'s millisecond
  reply.write('LOCL', 12, 'ascii')
  client.copy(reply, 24, 40, 48) // originate: the client's transmit timestamp
  for (const offset of [16, 32, 40]) writeTime(reply, nowMs, offset)
  return reply
}

const packetBytes = 48
const modeClient = 3
const modeServer = 4
const secondsTo1970 = 2_208_988_800

/** Seconds since 1900 in 32 bits (wrapping in 2036, as the protocol does), then the fraction in 32 bits. */
function writeTime(into: Buffer, timeMs: number, offset: number): void {
  const seconds = Math.floor(timeMs / 1000) + secondsTo1970
  into.writeUInt32BE(seconds % 2 ** 32, offset)
  into.writeUInt32BE(Math.floor(((timeMs % 1000) / 1000) * 2 ** 32), offset + 4)
}

function serve(address: string, port: number): void {
  let offsetMs = 0
  const socket = createSocket('udp4')
  socket.on('message', (request, from) => {
    const reply = answerSntp(request, Date.now() + offsetMs)
    if (reply !== undefined) socket.send(reply, from.port, from.address)
  })
  socket.bind(port, address, () => process.stdout.write('ready\n'))
  createInterface({ input: process.stdin }).on('line', line => {
    offsetMs = Number(line)
    process.stdout.write(`offset ${offsetMs}\n`)
  })
}

if (import.meta.main) {
  const options = { address: { type: 'string' }, port: { type: 'string', default: '123' } } as const
  const { address, port } = parseArgs({ options }).values
  if (address === undefined) throw new TypeError('Cannot serve time: --address is missing')
  serve(address, Number(port))
}
