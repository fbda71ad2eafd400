import { createHash } from 'node:crypto'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509'

export type ServerCertificate = {
  /** At most 20 bytes, the first from 1 to 127. */
  readonly serial: Uint8Array
  readonly commonName: string
  readonly from: Date
  readonly until: Date
  readonly names: readonly string[]
  /** IPv4. */
  readonly addresses: readonly string[]
  /** SubjectPublicKeyInfo in DER, of an EC key. */
  readonly publicKey: Uint8Array
  /** ECDSA with SHA-256, in DER. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
}

const ecdsaWithSha256 = '1.2.840.10045.4.3.2'
const commonNameId = '2.5.4.3'

/** A self-signed certificate (X.509 v3, RFC 5280) of a TLS server, in DER: the same bytes for the same facts. */
export function certificateDer(facts: ServerCertificate): Buffer {
  const algorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 })
  const tbsCertificate = unsigned(facts, algorithm)
  const signature = facts.sign(new Uint8Array(AsnConvert.serialize(tbsCertificate)))
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: bytesOf(signature),
  })
  return Buffer.from(AsnConvert.serialize(certificate))
}

function unsigned(facts: ServerCertificate, signature: AlgorithmIdentifier): TBSCertificate {
  const name = nameOf(facts.commonName)
  return new TBSCertificate({
    version: Version.v3,
    serialNumber: bytesOf(facts.serial),
    signature,
    issuer: name,
    subject: name,
    validity: new Validity({ notBefore: facts.from, notAfter: facts.until }),
    subjectPublicKeyInfo: AsnConvert.parse(facts.publicKey, SubjectPublicKeyInfo),
    extensions: extensionsOf(facts),
  })
}

function extensionsOf({ publicKey, names, addresses }: ServerCertificate): Extensions {
  const { subjectPublicKey } = AsnConvert.parse(publicKey, SubjectPublicKeyInfo)
  // SHA-1 as a name, not for its strength: RFC 5280, 4.2.1.2.
  const keyId = createHash('sha1').update(new Uint8Array(subjectPublicKey)).digest()
  const alternatives = [
    ...names.map(dNSName => new GeneralName({ dNSName })),
    ...addresses.map(iPAddress => new GeneralName({ iPAddress })),
  ]
  return new Extensions([
    // No authority: whoever is told to trust it trusts it for these names alone.
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(bytesOf(keyId))),
    extension(id_ce_subjectAltName, new SubjectAlternativeName(alternatives)),
  ])
}

function extension(extnID: string, value: object, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) })
}

function nameOf(commonName: string): Name {
  const value = new AttributeValue({ utf8String: commonName })
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: commonNameId, value })])])
}

/** The library wants an ArrayBuffer that holds these bytes and no others. */
function bytesOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}
