import {
  createCipheriv,
  createDecipheriv,
  pbkdf2,
  randomBytes,
  randomUUID,
  scrypt,
  timingSafeEqual,
} from 'node:crypto'
import { promisify } from 'node:util'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { z } from 'zod'
import { secretBuffer } from '../protocol/secret.ts'
import { addressOf, parseAddress, publicKeyOf, sameAddress } from '../protocol/wallet.ts'
import { Failure } from './failure.ts'

// Ethereum's "Web3 Secret Storage", version 3: what geth, ethers, web3 and hardware-less wallets write.
const hex = (bytes: { min: number; max: number }) =>
  z
    .string()
    .regex(new RegExp(`^(0x)?([0-9a-fA-F]{2}){${bytes.min},${bytes.max}}$`), 'not hex of a fitting length')

const scryptParameters = z.object({
  dklen: z.literal(32),
  n: z
    .int()
    .min(2)
    .max(2 ** 22)
    .refine(isPowerOfTwo, 'not a power of two'),
  r: z.int().min(1).max(64),
  p: z.int().min(1).max(64),
  salt: hex({ min: 0, max: 64 }),
})
const pbkdf2Parameters = z.object({
  dklen: z.literal(32),
  c: z.int().min(1).max(10_000_000),
  prf: z.literal('hmac-sha256'),
  salt: hex({ min: 0, max: 64 }),
})
const cryptoFields = {
  cipher: z.literal('aes-128-ctr'),
  cipherparams: z.object({ iv: hex({ min: 16, max: 16 }) }),
  ciphertext: hex({ min: 32, max: 32 }),
  mac: hex({ min: 32, max: 32 }),
}
const cryptoSchema = z.discriminatedUnion('kdf', [
  z.object({ ...cryptoFields, kdf: z.literal('scrypt'), kdfparams: scryptParameters }),
  z.object({ ...cryptoFields, kdf: z.literal('pbkdf2'), kdfparams: pbkdf2Parameters }),
])

/** Not strict: other tools add fields of their own. Some write `Crypto` for `crypto`. */
const keystoreSchema = z.preprocess(
  value =>
    isObject(value) && 'Crypto' in value && !('crypto' in value)
      ? { ...value, crypto: value['Crypto'] }
      : value,
  z.object({
    version: z.literal(3),
    address: z.string().max(42).optional(),
    crypto: cryptoSchema,
  }),
)
export type Keystore = z.infer<typeof keystoreSchema>

/** scrypt of geth's standard strength: 256 MiB, about a second. */
export const standardCost = { n: 2 ** 18, r: 8, p: 1 } as const
export type ScryptCost = { readonly n: number; readonly r: number; readonly p: number }

/** Reads a keystore file's text. Throws SyntaxError naming the bad key. */
export function parseKeystore(text: string): Keystore {
  if (text.length > 16_384) throw new SyntaxError('Cannot read keystore: more than 16 KiB')
  const parsed = keystoreSchema.safeParse(parseJson(text))
  if (!parsed.success) throw new SyntaxError(`Cannot read keystore: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

/** The private key, 32 bytes outside V8's heap, to be wiped. Throws Failure for a wrong passphrase. */
export async function openKeystore(keystore: Keystore, passphrase: Uint8Array): Promise<Buffer> {
  const { crypto } = keystore
  const ciphertext = fromHex(crypto.ciphertext)
  const derived = await deriveKey(crypto, passphrase)
  try {
    if (!timingSafeEqual(macOf(derived, ciphertext), fromHex(crypto.mac)))
      throw new Failure('failed', 'Cannot open wallet: wrong passphrase, or the file was altered')
    const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), fromHex(crypto.cipherparams.iv))
    return checkedKey(keystore, decipher.update(ciphertext))
  } finally {
    derived.fill(0)
  }
}

/** The text of a new keystore for a private key. */
export async function makeKeystore(
  privateKey: Uint8Array,
  passphrase: Uint8Array,
  cost: ScryptCost,
): Promise<string> {
  const salt = randomBytes(32).toString('hex')
  const iv = randomBytes(16)
  const kdf = { kdf: 'scrypt' as const, kdfparams: { dklen: 32 as const, ...cost, salt } }
  const derived = await deriveKey(kdf, passphrase)
  try {
    const ciphertext = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv).update(privateKey)
    const crypto = {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: iv.toString('hex') },
      ciphertext: ciphertext.toString('hex'),
      ...kdf,
      mac: macOf(derived, ciphertext).toString('hex'),
    }
    const address = addressOf(publicKeyOf(privateKey)).slice(2).toLowerCase()
    return `${JSON.stringify({ version: 3, id: randomUUID(), address, crypto }, null, 2)}\n`
  } finally {
    derived.fill(0)
  }
}

type Kdf =
  | { readonly kdf: 'scrypt'; readonly kdfparams: z.infer<typeof scryptParameters> }
  | { readonly kdf: 'pbkdf2'; readonly kdfparams: z.infer<typeof pbkdf2Parameters> }

const memoryBytesMax = 1024 * 1024 * 1024

function deriveKey({ kdf, kdfparams }: Kdf, passphrase: Uint8Array): Promise<Buffer> {
  const salt = fromHex(kdfparams.salt)
  if (kdf === 'pbkdf2') return promisify(pbkdf2)(passphrase, salt, kdfparams.c, 32, 'sha256')
  const { n: N, r, p } = kdfparams
  const memory = 128 * r * (N + p + 2)
  if (memory > memoryBytesMax)
    throw new RangeError('Cannot open wallet: its scrypt needs more than 1 GiB of memory')
  return slowKey(passphrase, { salt, options: { N, r, p, maxmem: memory + 1024 * 1024 } })
}

type Slow = { readonly salt: Buffer; readonly options: { N: number; r: number; p: number; maxmem: number } }

async function slowKey(passphrase: Uint8Array, { salt, options }: Slow): Promise<Buffer> {
  // RFC 7914 asks for N < 2^(16 r), and OpenSSL insists; early wallets wrote r = 1 with N = 2^18 all the same.
  if (options.r * 16 <= Math.log2(options.N))
    return Buffer.from(await scryptAsync(passphrase, salt, { ...options, dkLen: 32 }))
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, options, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

function macOf(derived: Buffer, ciphertext: Buffer): Buffer {
  return Buffer.from(keccak_256(Buffer.concat([derived.subarray(16, 32), ciphertext])))
}

function checkedKey(keystore: Keystore, decrypted: Buffer): Buffer {
  const key = secretBuffer(32)
  key.set(decrypted)
  decrypted.fill(0)
  const address = addressOf(publicKeyOf(key))
  const said = keystore.address
  if (said === undefined || sameAddress(parseAddress(said.startsWith('0x') ? said : `0x${said}`), address))
    return key
  key.fill(0)
  throw new Failure('failed', `Cannot open wallet: the file says ${said}, its key is that of ${address}`)
}

function fromHex(text: string): Buffer {
  return Buffer.from(text.replace(/^0x/, ''), 'hex')
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new SyntaxError('Cannot read keystore: not JSON', { cause })
  }
}
