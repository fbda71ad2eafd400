import { createECDH, createHash, hkdfSync } from 'node:crypto'
import { Point } from '@noble/secp256k1'
import * as z from 'zod'
import { decrypt, encrypt } from './aead.ts'
import { canonicalText } from './canonical.ts'
import { base64url, clusterId, counter, fromBase64url, nodeId, toBase64url, uuid } from './fields.ts'
import { moveSecret } from './secret.ts'
import { addressOf, addressSchema, publicKeyOf, sameAddress } from './wallet.ts'

/** What an escrow is bound to; an escrow of another node, disk, time or owner does not open. */
const metaFields = {
  cluster: clusterId,
  nodeId,
  luksUuid: uuid,
  number: counter,
  owner: addressSchema,
}

/** The body of LUKS2 token `orama-escrow`: a node's disk secret, encrypted to its owner's wallet. */
export const escrowSchema = z.strictObject({
  v: z.literal(1),
  ...metaFields,
  ephemeral: base64url({ length: 33 }),
  box: base64url({ max: 256 }),
})
export type Escrow = z.infer<typeof escrowSchema>

export const escrowMetaSchema = z.strictObject(metaFields)
export type EscrowMeta = z.infer<typeof escrowMetaSchema>

/** ECIES: ECDH on secp256k1, HKDF-SHA256, AES-256-GCM with the canonical JSON of the meta as associated data. */
export function sealEscrow(secret: Uint8Array, ownerPublicKey: Uint8Array, meta: EscrowMeta): Escrow {
  const checked = escrowMetaSchema.parse(meta)
  if (!sameAddress(addressOf(ownerPublicKey), checked.owner))
    throw new RangeError(`Cannot escrow: the key is not that of owner ${checked.owner}`)
  const ephemeral = createECDH('secp256k1')
  ephemeral.generateKeys()
  const ephemeralPublic = ephemeral.getPublicKey(null, 'compressed')
  const key = escrowKey(ephemeral.computeSecret(ownerPublicKey), { ephemeralPublic, ownerPublicKey })
  try {
    const box = toBase64url(encrypt(key, associated(checked), secret))
    return escrowSchema.parse({ v: 1, ...checked, ephemeral: toBase64url(ephemeralPublic), box })
  } finally {
    key.fill(0)
  }
}

/**
 * The secret of an escrow that says and proves exactly `expected`. Lies outside V8's heap; the caller wipes it.
 * Throws RangeError naming the field that differs, or when wallet or bytes are not the right ones.
 */
export function openEscrow(escrow: Escrow, ownerPrivateKey: Uint8Array, expected: EscrowMeta): Buffer {
  const meta = escrowMetaSchema.parse(expected)
  checkMeta(escrow, meta)
  const ownerPublicKey = publicKeyOf(ownerPrivateKey)
  if (!sameAddress(addressOf(ownerPublicKey), meta.owner))
    throw new RangeError(
      `Cannot open escrow: it is for ${meta.owner}, this wallet is ${addressOf(ownerPublicKey)}`,
    )
  const owner = createECDH('secp256k1')
  owner.setPrivateKey(ownerPrivateKey)
  const ephemeralPublic = fromBase64url(escrow.ephemeral)
  const key = escrowKey(computeSecret(owner, ephemeralPublic), { ephemeralPublic, ownerPublicKey })
  try {
    return decrypt(key, associated(meta), fromBase64url(escrow.box))
  } finally {
    key.fill(0)
  }
}

function checkMeta(escrow: Escrow, meta: EscrowMeta): void {
  for (const name of ['cluster', 'nodeId', 'luksUuid', 'number', 'owner'] as const)
    if (escrow[name] !== meta[name])
      throw new RangeError(
        `Cannot open escrow: its ${name} is ${String(escrow[name])}, expected ${String(meta[name])}`,
      )
}

function computeSecret(owner: ReturnType<typeof createECDH>, ephemeralPublic: Buffer): Buffer {
  try {
    return owner.computeSecret(ephemeralPublic)
  } catch (cause) {
    throw new RangeError('Cannot open escrow: its ephemeral key is no point', { cause })
  }
}

function escrowKey(
  shared: Buffer,
  keys: { ephemeralPublic: Uint8Array; ownerPublicKey: Uint8Array },
): Buffer {
  const owner = Point.fromBytes(keys.ownerPublicKey).toBytes(true)
  const salt = createHash('sha256').update(keys.ephemeralPublic).update(owner).digest()
  const key = moveSecret(new Uint8Array(hkdfSync('sha256', shared, salt, 'orama-escrow-v1', 32)))
  shared.fill(0)
  return key
}

function associated(meta: EscrowMeta): string {
  return canonicalText({ v: 1, ...meta })
}
