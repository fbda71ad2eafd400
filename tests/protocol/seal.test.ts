import t from 'tap'
import { decrypt, encrypt } from '../../protocol/aead.ts'
import { fromBase64url } from '../../protocol/fields.ts'
import { composeGrant, parseGrant } from '../../protocol/grant.ts'
import { newKeyPair, publicOf, sharedSecret, signBytes, verifyBytes } from '../../protocol/keys.ts'
import { unlockContext } from '../../protocol/unlock.ts'
import { openCompletion, openFrom, sealCompletion, sealTo } from '../../protocol/seal.ts'
import { hello, hexBytes, vectors } from './sample.ts'

const grantText = vectors.grant
const enrollmentPrivate = hexBytes(vectors.enrollmentPrivate)
const gatewayPrivate = hexBytes(vectors.gatewayPrivate)
const plaintext = Buffer.from('configuration')
const seal = () => sealCompletion({ hello, grantText, gatewayPrivate, plaintext })

t.test('openCompletion() opens the box of the independent program', async t => {
  const { ephemeral, box } = vectors.completion
  const opened = openCompletion({ hello, grantText, enrollmentPrivate, ephemeral, box })
  t.equal(opened.plaintext.toString(), vectors.completion.plaintext)
})

t.test('a completion goes there and its reply back, each time under another key', async t => {
  const sealed = seal()
  const opened = openCompletion({ hello, grantText, enrollmentPrivate, ...sealed })
  t.equal(opened.plaintext.toString(), 'configuration')
  const reply = opened.sealReply(Buffer.from('done'))
  t.equal(sealed.openReply(reply).toString(), 'done')
  t.not(opened.sealReply(Buffer.from('done')), reply)
  t.not(seal().box, sealed.box)
  t.throws(() => sealed.openReply(sealed.box), { name: 'RangeError' }, 'a box sent back is no reply')
})

const good = seal()
const grant = parseGrant(grantText)
const wrong: readonly (readonly [string, Partial<Parameters<typeof openCompletion>[0]>])[] = [
  ['another hello', { hello: { ...hello, version: '0.1.1' } }],
  ['another grant', { grantText: composeGrant({ ...grant, nodeIp: '192.0.2.8' }) }],
  ['a grant of another gateway key', { grantText: composeGrant({ ...grant, gatewayKey: hello.enrollment }) }],
  ['another enrollment key', { enrollmentPrivate: Buffer.alloc(32, 99) }],
  ['another ephemeral key', { ephemeral: hello.identity }],
  ['an ephemeral key of low order', { ephemeral: 'A'.repeat(43) }],
  ['an empty box', { box: '' }],
  ['a box of 27 bytes', { box: Buffer.alloc(27).toString('base64url') }],
]

for (const [why, change] of wrong)
  t.test(`openCompletion() refuses: ${why}`, async t =>
    t.throws(() => openCompletion({ hello, grantText, enrollmentPrivate, ...good, ...change }), {
      name: 'RangeError',
    }),
  )

t.test('a box does not open with any one bit changed', async t => {
  const bytes = fromBase64url(good.box)
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    const box = changed.toString('base64url')
    t.throws(() => openCompletion({ hello, grantText, enrollmentPrivate, ...good, box }))
  }
})

t.test('sealCompletion() refuses a gateway key that the grant does not name', async t => {
  t.throws(() => sealCompletion({ hello, grantText, gatewayPrivate: Buffer.alloc(32, 1), plaintext }), {
    message: /another gateway key/,
  })
})

t.test('sealCompletion() refuses a node key of low order', async t => {
  const weak = { ...hello, enrollment: 'A'.repeat(43) }
  t.throws(() => sealCompletion({ hello: weak, grantText, gatewayPrivate, plaintext }), {
    message: /no usable point/,
  })
})

const oneTime = newKeyPair('x25519')
const context = unlockContext({ nodeId: vectors.nodeId, nonce: 'AAAAAAAAAAAAAAAAAAAAAA' })

t.test('openFrom() opens the one-time box of the independent program', async t => {
  const { private: key, box } = vectors.oneTime
  t.equal(context, vectors.oneTime.context)
  t.equal(openFrom(hexBytes(key), context, box).toString('hex'), vectors.oneTime.plaintext)
})

t.test('a one-time box opens only with its key, in its context, unaltered', async t => {
  const secret = Buffer.alloc(32, 7)
  const box = sealTo(oneTime.publicKey, context, secret)
  t.same(openFrom(oneTime.privateKey, context, box), secret)
  const bytes = fromBase64url(box)
  for (let at = 0; at < bytes.length; at++) {
    // X25519 ignores the top bit of a public key; the salt of the key derivation does not.
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 0x80
    t.throws(() => openFrom(oneTime.privateKey, context, changed.toString('base64url')), {
      name: 'RangeError',
    })
  }
  t.throws(() => openFrom(Buffer.alloc(32, 1), context, box), { name: 'RangeError' })
  t.throws(() => openFrom(oneTime.privateKey, `${context}x`, box), { name: 'RangeError' })
  t.throws(() => openFrom(oneTime.privateKey, context, ''), { name: 'RangeError' })
})

t.test('what openFrom() returns lies in a page of its own, outside the heap of V8', async t => {
  const opened = openFrom(
    oneTime.privateKey,
    context,
    sealTo(oneTime.publicKey, context, Buffer.alloc(32, 7)),
  )
  t.equal(opened.buffer.byteLength, 4096)
})

t.test('encrypt() and decrypt() carry empty and large texts', async t => {
  for (const size of [0, 1, 4096, 4097, 65_536]) {
    const text = Buffer.alloc(size, 5)
    t.same(decrypt(Buffer.alloc(32, 1), 'a', encrypt(Buffer.alloc(32, 1), 'a', text)), text)
  }
})

t.test('keys of other lengths are refused', async t => {
  t.throws(() => publicOf('x25519', Buffer.alloc(31)), { name: 'RangeError' })
  t.throws(() => sharedSecret(Buffer.alloc(32, 1), Buffer.alloc(33)), { name: 'RangeError' })
})

t.test('newKeyPair() makes keys that other tools take: X25519 clamped, as wg does', async t => {
  const { privateKey, publicKey } = newKeyPair('x25519')
  t.equal((privateKey[0] ?? 0) & 7, 0)
  t.equal((privateKey[31] ?? 0) & 192, 64)
  t.same(publicOf('x25519', privateKey), publicKey)
})

t.test('a signature for one domain is none for another', async t => {
  const { privateKey, publicKey: identity } = newKeyPair('ed25519')
  const message = Buffer.from('m')
  const signature = signBytes('a', message, privateKey)
  t.ok(verifyBytes('a', message, { signature, identity }))
  t.notOk(verifyBytes('b', message, { signature, identity }))
  t.notOk(verifyBytes('a', Buffer.from('n'), { signature, identity }))
})
