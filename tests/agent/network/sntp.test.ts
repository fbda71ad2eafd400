import t from 'tap'
import { encodeSntpRequest, parseSntpReply } from '../../../agent/network/sntp.ts'

const nonce = Buffer.from('0102030405060708', 'hex')
const sentMs = Date.UTC(2026, 10, 21, 8)
const exchange = { nonce, sentMs, receivedMs: sentMs + 100 }

/** An answer of a server whose clock shows `timeMs`, in the middle of the exchange. */
function reply(timeMs: number, change: (message: Buffer) => void = () => undefined): Buffer {
  const message = Buffer.alloc(48)
  message.set([0x24, 2])
  message.set(nonce, 24)
  for (const at of [32, 40]) {
    const seconds = Math.floor(timeMs / 1000)
    message.writeUInt32BE((seconds + 2_208_988_800) % 2 ** 32, at)
    message.writeUInt32BE(Math.floor(((timeMs / 1000 - seconds) * 2 ** 32) % 2 ** 32), at + 4)
  }
  change(message)
  return message
}

t.test('a request says version, mode and the nonce, and nothing else', async t =>
  t.equal(encodeSntpRequest(nonce).toString('hex'), `23${'00'.repeat(39)}0102030405060708`),
)

t.test('a nonce of the wrong length is refused', async t =>
  t.throws(() => encodeSntpRequest(Buffer.alloc(7)), { name: 'RangeError' }),
)

const offsets = [
  ['right', 50, 0],
  ['an hour behind', 3_600_050, 3_600_000],
  ['a day ahead', 50 - 86_400_000, -86_400_000],
  ['half a second behind', 550, 500],
] as const
for (const [why, serverMs, offsetMs] of offsets)
  t.test(`parseSntpReply() measures a clock that is ${why}`, async t => {
    const answer = parseSntpReply(reply(sentMs + serverMs), exchange)
    t.equal(Math.round(answer.offsetMs), offsetMs)
    t.equal(Math.round(answer.delayMs), 100)
    t.equal(answer.stratum, 2)
  })

t.test('the seconds of 2036 wrap and are read as 2036', async t => {
  const timeMs = Date.UTC(2036, 5, 1)
  const answer = parseSntpReply(reply(timeMs), { nonce, sentMs: timeMs, receivedMs: timeMs })
  t.equal(Math.round(answer.offsetMs), 0)
})

const refused = [
  ['too short', reply(sentMs).subarray(0, 47)],
  ['too long', Buffer.concat([reply(sentMs), Buffer.alloc(1000)])],
  ['mode client', reply(sentMs, m => m.writeUInt8(0x23, 0))],
  ['version 2', reply(sentMs, m => m.writeUInt8(0x14, 0))],
  ['not synchronised', reply(sentMs, m => m.writeUInt8(0xe4, 0))],
  ['kiss of death', reply(sentMs, m => m.writeUInt8(0, 1))],
  ['stratum 16', reply(sentMs, m => m.writeUInt8(16, 1))],
  ['another nonce', reply(sentMs, m => m.writeUInt8(9, 31))],
  ['a negative root delay', reply(sentMs, m => m.writeInt32BE(-9_000_000, 4))],
  ['a large root dispersion', reply(sentMs, m => m.writeUInt32BE(2 * 65_536, 8))],
  ['no arrival time', reply(sentMs, m => m.writeUInt32BE(0, 32))],
  ['no departure time', reply(sentMs, m => m.writeUInt32BE(0, 40))],
  ['answered before asked', reply(sentMs, m => m.writeUInt32BE(m.readUInt32BE(40) - 5, 40))],
] as const
for (const [why, bytes] of refused)
  t.test(`parseSntpReply() refuses: ${why}`, async t =>
    t.throws(() => parseSntpReply(bytes, exchange), { name: 'SyntaxError' }),
  )
