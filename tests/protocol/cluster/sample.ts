import { createHash, randomBytes } from 'node:crypto'
import { proveInvite, inviteKey, tokenHash } from '../../../protocol/cluster/invite.ts'
import { type MemberRecord, signMember } from '../../../protocol/cluster/member.ts'
import { soleAuthority } from '../../../protocol/cluster/trust.ts'
import { composeVoucher, type Voucher } from '../../../protocol/cluster/voucher.ts'
import { fromBase64url, type SignedText, toBase64url } from '../../../protocol/fields.ts'
import { composeGrant, genesisTokenHash, type Grant } from '../../../protocol/grant.ts'
import { type Hello, helloHash, nodeIdOf } from '../../../protocol/hello.ts'
import { type KeyPair, newKeyPair } from '../../../protocol/keys.ts'
import { type Address, addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'

export type TestWallet = { readonly key: Uint8Array; readonly address: Address }

export function newWallet(): TestWallet {
  const key = randomBytes(32)
  return { key, address: addressOf(publicKeyOf(key)) }
}

export const signedBy = (wallet: TestWallet, text: string): SignedText => ({
  text,
  signature: signText(text, wallet.key),
})

export const cluster = '0a'.repeat(16)
export const authority = newWallet()
export const trust = soleAuthority({ cluster, authority: authority.address })

export type TestNode = {
  readonly nodeId: string
  readonly hello: Hello
  readonly keys: Readonly<Record<'enrollment' | 'wireguard' | 'identity' | 'lease', KeyPair>>
}

export function newNode(): TestNode {
  const keys = {
    enrollment: newKeyPair('x25519'),
    wireguard: newKeyPair('x25519'),
    identity: newKeyPair('ed25519'),
    lease: newKeyPair('ed25519'),
  }
  const hello: Hello = {
    v: 1,
    enrollment: toBase64url(keys.enrollment.publicKey),
    wireguard: keys.wireguard.publicKey.toString('base64'),
    identity: toBase64url(keys.identity.publicKey),
    lease: toBase64url(keys.lease.publicKey),
    version: '0.1.0',
    expires: '2026-11-21T08:15:00Z',
  }
  return { nodeId: nodeIdOf(fromBase64url(hello.identity)), hello, keys }
}

export type Admission = {
  readonly node?: TestNode
  readonly address?: string
  readonly owner?: TestWallet
  readonly operator?: TestWallet
  readonly token?: Uint8Array
  readonly grant?: Partial<Grant>
  readonly voucher?: Partial<Voucher>
}

const issued = '2026-11-21T08:00:00Z'
const expires = '2026-11-21T08:15:00Z'

const grantOf = ({ hello }: TestNode, owner: TestWallet, changes: Partial<Grant>): SignedText =>
  signedBy(
    owner,
    composeGrant({
      kind: 'join',
      cluster,
      authority: authority.address,
      hello: helloHash(hello),
      code: '00000000',
      nodeIp: '192.0.2.7',
      gatewayKey: hello.enrollment,
      tokenHash: genesisTokenHash,
      issued,
      expires,
      ...changes,
    }),
  )

/** The record of the first node of the cluster. */
export function genesisRecord(of: Admission = {}): MemberRecord {
  const { node = newNode(), address = '10.0.0.1', owner = authority } = of
  const grant = grantOf(node, owner, { kind: 'genesis', ...of.grant })
  return signMember({ hello: node.hello, grant, address }, node.keys.lease.privateKey)
}

/** The record of a node that joined by an invite, all its parts as they should be, or changed as told. */
export function joinRecord(of: Admission = {}): MemberRecord {
  const { node = newNode(), address = '10.0.0.2', owner = newWallet(), operator = authority } = of
  const { token = randomBytes(32) } = of
  const hash = tokenHash(inviteKey(token).publicKey)
  const voucher = composeVoucher({ cluster, tokenHash: hash, issued, expires, ...of.voucher })
  const grant = grantOf(node, owner, { tokenHash: hash, ...of.grant })
  const invite = { voucher: signedBy(operator, voucher), proof: proveInvite(token, grant.text) }
  return signMember({ hello: node.hello, grant, invite, address }, node.keys.lease.privateKey)
}

/** A node id that is nobody's, for tests that need many. */
export function someNodeId(seed: number): string {
  return nodeIdOf(createHash('sha256').update(`node ${seed}`).digest())
}
