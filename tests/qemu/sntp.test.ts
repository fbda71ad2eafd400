import t from 'tap'
import { answerSntp } from '../../qemu/sntp.ts'

const nowMs = Date.UTC(2026, 10, 21, 8, 0, 0, 500)

/** A client's question: version 4 with its transmit timestamp. */
function question(first = 0x23, length = 48): Buffer {
  const request = Buffer.alloc(length)
  request.writeUInt8(first, 0)
  if (length >= 48) request.write('TRANSMIT', 40, 'ascii')
  return request
}

t.test('answerSntp() answers with the time and the question it answers', async t => {
  const reply = answerSntp(question(), nowMs)
  if (reply === undefined) return t.fail('no answer')
  t.equal(reply.length, 48)
  t.equal(reply.readUInt8(0), 0x24, 'no leap warning, version 4, server')
  t.equal(reply.readUInt8(1), 1, 'stratum')
  t.equal(reply.toString('ascii', 24, 32), 'TRANSMIT', 'originate')
  for (const offset of [32, 40]) {
    t.equal((reply.readUInt32BE(offset) - 2_208_988_800) * 1000, nowMs - 500)
    t.equal(reply.readUInt32BE(offset + 4), 2 ** 31, 'half a second')
  }
})

t.test('answerSntp() keeps the version of the client', async t =>
  t.equal(answerSntp(question(0x1b), nowMs)?.readUInt8(0), 0x1c),
)

t.test('answerSntp() counts on after the end of the first era, in 2036', async t =>
  t.equal(answerSntp(question(), Date.UTC(2036, 1, 7, 6, 28, 17))?.readUInt32BE(40), 1),
)

const ignored = [
  ['a short packet', question(0x23, 47)],
  ['an empty packet', Buffer.alloc(0)],
  ['another server', question(0x24)],
  ['a broadcast', question(0x25)],
  ['version 0', question(0x03)],
  ['version 5', question(0x2b)],
] as const
for (const [what, request] of ignored)
  t.test(`answerSntp() is silent to ${what}`, async t => t.equal(answerSntp(request, nowMs), undefined))
