import t from 'tap'
import { escrowSchema, openEscrow, sealEscrow } from '../../protocol/escrow.ts'
import { publicKeyOf } from '../../protocol/wallet.ts'
import { hexBytes, tampered, vectors, withField } from './sample.ts'

const key = hexBytes(vectors.escrow.ownerPrivate)
const { meta } = vectors.escrow
const secret = hexBytes(vectors.escrow.secret)

t.test('openEscrow() opens the escrow of the independent program', async t => {
  const opened = openEscrow(escrowSchema.parse(vectors.escrow.escrow), key, meta)
  t.same(opened, secret)
  t.equal(opened.buffer.byteLength, 4096, 'outside the heap of V8')
})

t.test('an escrow goes there and back, each time another', async t => {
  const one = sealEscrow(secret, publicKeyOf(key), meta)
  t.same(openEscrow(one, key, meta), secret)
  t.not(sealEscrow(secret, publicKeyOf(key), meta).box, one.box)
  t.notMatch(JSON.stringify(one), secret.toString('base64url'))
})

const escrow = sealEscrow(secret, publicKeyOf(key), meta)
const changes: Readonly<Record<string, unknown>> = {
  cluster: 'f'.repeat(32),
  nodeId: 'naaaaaaaaaaaaaaaa',
  luksUuid: '11234567-89ab-4cde-8f01-23456789abcd',
  number: 2,
  owner: '0x52908400098527886E0F7030069857D2E4169EE7',
}

for (const [name, value] of Object.entries(changes)) {
  t.test(`openEscrow() refuses an escrow with another ${name}`, async t =>
    t.throws(() => openEscrow(withField(escrow, name, value), key, meta), {
      message: new RegExp(`its ${name} is`),
    }),
  )
  t.test(`openEscrow() refuses when ${name} is altered on both sides`, async t =>
    t.throws(() => openEscrow(withField(escrow, name, value), key, withField(meta, name, value))),
  )
}

t.test('openEscrow() refuses an altered box or ephemeral key', async t => {
  t.throws(() => openEscrow({ ...escrow, box: tampered(escrow.box) }, key, meta), { message: /altered/ })
  const another = sealEscrow(secret, publicKeyOf(key), meta).ephemeral
  t.throws(() => openEscrow({ ...escrow, ephemeral: another }, key, meta), { message: /altered/ })
  const noPoint = Buffer.alloc(33, 255).toString('base64url')
  t.throws(() => openEscrow({ ...escrow, ephemeral: noPoint }, key, meta), { message: /no point/ })
})

t.test('openEscrow() refuses another wallet and says which one it takes', async t => {
  t.throws(() => openEscrow(escrow, Buffer.alloc(32, 11), meta), {
    message: new RegExp(`it is for ${meta.owner}`),
  })
})

t.test('sealEscrow() refuses a public key that is not the owner’s', async t => {
  t.throws(() => sealEscrow(secret, publicKeyOf(Buffer.alloc(32, 11)), meta), {
    message: /not that of owner/,
  })
})

t.test('escrowSchema refuses what is longer or wider than an escrow', async t => {
  for (const change of [{ box: 'A'.repeat(400) }, { extra: 1 }, { v: 2 }, { number: -1 }, { number: 1.5 }])
    t.notOk(escrowSchema.safeParse({ ...escrow, ...change }).success)
})
