import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'
import * as z from 'zod'
import { clusterId, ipv4, time } from '../../protocol/fields.ts'
import { lend, moveSecret } from '../../protocol/secret.ts'
import { purposeKey } from './keys.ts'
import { certificateDer } from './x509.ts'

/** Of the gateways of a cluster, wherever they run: clients pin the certificate, and no name server knows it. */
export const gatewayName = 'gateway.orama.internal'

/** What a TLS server needs. */
export type Certificate = {
  /** PEM; for who serves with it, and as long as the server lives. */
  readonly key: Buffer
  /** PEM. */
  readonly certificate: string
  /** SHA-256 of the certificate (DER), 64 hex digits: an invite's `f`. */
  readonly fingerprint: string
}

/** What a certificate of the cluster's gateways says. The same facts and key make the same bytes, on every node. */
export const certificateFactsSchema = z.strictObject({
  cluster: clusterId,
  /** When the cluster was made. */
  from: time,
  names: z.array(z.hostname().max(253)).max(16).readonly(),
  addresses: z.array(ipv4).max(16).readonly(),
})
export type CertificateFacts = z.infer<typeof certificateFactsSchema>

/**
 * Derives key and self-signed certificate of a cluster's gateways. P-256, since browsers refuse Ed25519
 * (docs/decisions/0018). The gateway key (32 bytes) stays the caller's. Throws ZodError for facts that do not fit,
 * RangeError for a key of another length, or without a name and address.
 */
export async function deriveCertificate(
  gatewayKey: Uint8Array,
  facts: CertificateFacts,
): Promise<Certificate> {
  const checked = inOrder(certificateFactsSchema.parse(facts))
  const { cluster, from, names, addresses } = checked
  if (names.length + addresses.length === 0)
    throw new RangeError('Cannot make certificate: it would be for no name and no address')
  return lend(scalarOf(gatewayKey), scalar => {
    const key = keyObject(scalar)
    const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' })
    const der = certificateDer({
      serial: serialOf(publicKey, checked),
      commonName: `OramaOS gateway ${cluster}`,
      from: new Date(from),
      until: new Date(Date.parse(from) + livesMs),
      names,
      addresses,
      publicKey,
      // RFC 6979: OpenSSL's own signatures differ each time.
      sign: bytes => p256.sign(bytes, scalar, { format: 'der' }),
    })
    return { key: pemOf(key), certificate: certificatePem(der), fingerprint: fingerprintOf(der) }
  })
}

/** SHA-256 of a certificate (DER), 64 hex digits. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex')
}

/** Clients pin it, and a node that was off for years must still be reached: it does not run out in practice. */
const livesMs = 20 * 365 * 24 * 3_600_000

/** Two nodes may have been told the same names in another order. */
function inOrder({ names, addresses, ...rest }: CertificateFacts): CertificateFacts {
  return {
    ...rest,
    names: [...new Set(names)].toSorted(),
    addresses: [...new Set(addresses)].toSorted(),
  }
}

/** The P-256 private key, 32 bytes. Taken modulo the order from 48 bytes, which leaves no bias (FIPS 186-5, A.2.1). */
function scalarOf(gatewayKey: Uint8Array): Buffer {
  const wide = purposeKey(gatewayKey, 'tls-p256', 48)
  const { secretKey } = p256.keygen(wide)
  wide.fill(0)
  return moveSecret(secretKey)
}

function keyObject(scalar: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.from(scalar.buffer, scalar.byteOffset, scalar.length),
    format: 'raw-private',
    asymmetricKeyType: 'ec',
    namedCurve: 'P-256',
  })
}

/** Browsers refuse two certificates of one issuer and serial number: it stands for all that may differ. */
function serialOf(publicKey: Uint8Array, facts: CertificateFacts): Buffer {
  const hash = createHash('sha256').update(JSON.stringify(facts)).update(publicKey).digest()
  // A first byte of 1 to 127: positive, not zero, and one length.
  return Buffer.concat([Buffer.from([1]), hash.subarray(0, 15)])
}

/** A PEM text is a string for a moment: node:crypto writes no other. */
function pemOf(key: KeyObject): Buffer {
  return moveSecret(Buffer.from(key.export({ format: 'pem', type: 'pkcs8' })))
}

function certificatePem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
