import t from 'tap'
import { encodeGet, encodeSet, parseDenied, parseMessage } from '../../../agent/services/audit-messages.ts'
import { acknowledgement, denial, recordText, statusAnswer } from './audit-samples.ts'

t.test('AUDIT_SET is laid out as linux/audit.h says', async t => {
  const words = [
    '3c000000', // 60 bytes
    'e9030500', // type 1001; request, acknowledge
    '07000000', // sequence
    '00000000', // port id: the kernel fills it
    '3e000000', // mask: all but enabled
    '00000000',
    '01000000', // failure
    'd2040000', // pid 1234
    '02000000', // rate limit
    '00200000', // backlog limit 8192
    '00000000', // lost
    '00000000', // backlog
    '00000000', // features
    '983a0000', // backlog wait time
    '00000000', // waited
  ]
  const values = { failure: 1, pid: 1234, rateLimit: 2, backlogLimit: 8192, backlogWaitTime: 15_000 }
  t.equal(encodeSet(values, 7).toString('hex'), words.join(''))
})

t.test('only what is given is in the mask, a zero too', async t => {
  const maskOf = (bytes: Buffer) => bytes.readUInt32LE(16)
  t.same(
    [maskOf(encodeSet({ enabled: 0 }, 1)), maskOf(encodeSet({ pid: 1 }, 1)), maskOf(encodeSet({}, 1))],
    [1, 4, 0],
  )
})

t.test('AUDIT_GET is a header alone', async t =>
  t.equal(encodeGet(9).toString('hex'), `10000000e80301000900000000000000`),
)

t.test('a record is read whatever length its header says', async t => {
  t.same(parseMessage(denial({ uid: 1001, syscall: 165 })), {
    kind: 'denied',
    call: { uid: 1001, arch: 0xc000003e, syscall: 165 },
  })
})

t.test('an acknowledgement has its sequence and the errno; a status what was lost', async t => {
  t.same(parseMessage(acknowledgement(3, 0)), { kind: 'acknowledgement', sequence: 3, errno: 0 })
  t.same(parseMessage(acknowledgement(4, 1)), { kind: 'acknowledgement', sequence: 4, errno: 1 })
  t.same(parseMessage(statusAnswer(78_725)), { kind: 'status', lost: 78_725 })
})

const strange = [
  ['nothing', Buffer.alloc(0)],
  ['half a header', acknowledgement(1, 0).subarray(0, 15)],
  ['an acknowledgement without what it is of', acknowledgement(1, 0).subarray(0, 30)],
  ['a status that ends before the count', statusAnswer(1).subarray(0, 43)],
  ['a record of another type', denial({ type: 1300 })],
  ['a record without text', denial({}).subarray(0, 16)],
  ['a record cut short', denial({}).subarray(0, 60)],
] as const
for (const [why, bytes] of strange)
  t.test(`parseMessage() makes nothing of ${why}`, async t => t.same(parseMessage(bytes), { kind: 'other' }))

const understood = [
  ['a name in quotes', { comm: '"rqlited"' }],
  ['a name in hex, since it holds a quote or a blank', { comm: '6576202269 6C'.replace(' ', '') }],
  ['no program', { exe: '(null)' }],
  ['a path that was too long', { exe: '"<too_long>"' }],
  ['a security label', { label: ' subj=unconfined' }],
  ['the longest path in hex', { exe: 'AB'.repeat(4096) }],
] as const
for (const [why, fields] of understood)
  t.test(`parseDenied() reads a record with ${why}`, async t =>
    t.same(parseDenied(recordText({ ...fields, uid: 1002, syscall: 101 })), {
      uid: 1002,
      arch: 0xc000003e,
      syscall: 101,
    }),
  )

t.test('parseDenied() reads the end that some kernels add', async t =>
  t.ok(parseDenied(`${recordText({})}\0`)),
)

const forged = [
  ['a name with a blank in quotes', recordText({ comm: '"a b"' })],
  ['a name that closes its quotes and goes on', recordText({ comm: '"a" uid=0 comm="b"' })],
  ['a second UID', recordText({}).replace(' gid=', ' uid=1002 gid=')],
  ['a second call', recordText({}).replace(' compat', ' syscall=1 compat')],
  ['a newline in it', recordText({ comm: '"a\nb"' })],
  ['something before it', `x${recordText({})}`],
  ['something after it', `${recordText({})} x`],
  ['no UID', recordText({}).replace(/ uid=\d+/, '')],
  ['a UID of 11 digits', recordText({ uid: 10_000_000_000 })],
  ['a negative UID', recordText({ uid: -1 })],
  ['a name in lower-case hex', recordText({ comm: '6a6b' })],
  ['more than a record can hold', recordText({ exe: 'AB'.repeat(5000) })],
  ['text of another record', 'audit(1.000:1): op=set audit_pid=1 old=0 res=1'],
  ['a million blanks', ' '.repeat(1_000_000)],
] as const
for (const [why, text] of forged)
  t.test(`parseDenied() refuses a record with ${why}`, async t => t.equal(parseDenied(text), undefined))
