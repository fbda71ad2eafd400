import t from 'tap'
import {
  addressOf,
  addressSchema,
  parseAddress,
  publicKeyOf,
  recoverSigner,
  sameAddress,
  signText,
} from '../../protocol/wallet.ts'

// From the documentation of web3.js, eth.accounts.sign.
const known = {
  key: Buffer.from('4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318', 'hex'),
  text: 'Some data',
  signature:
    '0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c',
  address: '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23',
}

t.test('signText() makes the signature that other wallets make', async t => {
  t.equal(signText(known.text, known.key), known.signature)
})

t.test('recoverSigner() finds who signed', async t => {
  const signer = recoverSigner(known.text, known.signature)
  t.equal(signer.address, known.address)
  t.same(Buffer.from(signer.publicKey), Buffer.from(publicKeyOf(known.key)))
})

t.test('recoverSigner() counts bytes, not characters', async t => {
  const text = 'ключ ✓'
  t.equal(recoverSigner(text, signText(text, known.key)).address, known.address)
})

t.test('recoverSigner() names another signer for another text', async t => {
  t.not(recoverSigner('Some date', known.signature).address, known.address)
})

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const body = known.signature.slice(2, 130)
const highS = body.slice(0, 64) + (order - BigInt(`0x${body.slice(64)}`)).toString(16).padStart(64, '0')

const refused = [
  ['high s, the twin of a good signature', `0x${highS}1b`],
  ['v of 0', `0x${body}00`],
  ['v of 1', `0x${body}01`],
  ['v of 26', `0x${body}1a`],
  ['v of 29', `0x${body}1d`],
  ['r of 0', `0x${'0'.repeat(64)}${body.slice(64)}1b`],
  ['s of 0', `0x${body.slice(0, 64)}${'0'.repeat(64)}1b`],
  ['r of the group order', `0x${order.toString(16)}${body.slice(64)}1b`],
  ['64 bytes', `0x${body}`],
  ['66 bytes', `${known.signature}00`],
  ['no 0x', known.signature.slice(2)],
  ['upper case: a second spelling', `0x${known.signature.slice(2).toUpperCase()}`],
  ['a newline at the end', `${known.signature}\n`],
  ['nothing', ''],
] as const

for (const [why, signature] of refused)
  t.test(`recoverSigner() refuses: ${why}`, async t => t.throws(() => recoverSigner(known.text, signature)))

// From EIP-55.
const addresses = [
  '0x52908400098527886E0F7030069857D2E4169EE7',
  '0xde709f2102306220921060314715629080e2fb77',
  '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
]

for (const address of addresses)
  t.test(`address ${address} is read in every case that says it`, async t => {
    t.equal(addressSchema.parse(address), address)
    t.equal(parseAddress(address.toLowerCase()), address)
    t.equal(parseAddress(`0x${address.slice(2).toUpperCase()}`), address)
    t.ok(sameAddress(address, address.toLowerCase()))
  })

const badAddresses = [
  ['one letter in the wrong case', '0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'],
  ['one digit wrong', '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAee'],
  ['too short', '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe'],
  ['no 0x', '5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'],
] as const

for (const [why, address] of badAddresses)
  t.test(`addresses are refused: ${why}`, async t => {
    t.throws(() => parseAddress(address), { name: 'SyntaxError' })
    t.notOk(addressSchema.safeParse(address).success)
  })

t.test('addressSchema refuses a lower-case address that has letters: one spelling', async t => {
  t.notOk(addressSchema.safeParse('0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed').success)
})

t.test('addressOf() takes compressed and full public keys, and no others', async t => {
  const full = publicKeyOf(known.key)
  const compressed = Buffer.concat([Buffer.from([2 + ((full[64] ?? 0) & 1)]), full.subarray(1, 33)])
  t.equal(addressOf(full), known.address)
  t.equal(addressOf(compressed), known.address)
  t.throws(() => addressOf(full.subarray(0, 64)))
  t.throws(() => addressOf(Buffer.alloc(65, 4)), 'not on the curve')
})
