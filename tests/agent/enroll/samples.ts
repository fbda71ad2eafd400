import { randomBytes } from 'node:crypto'
import { newSession, type Session } from '../../../agent/enroll/session.ts'
import { sealClaim } from '../../../protocol/cluster/joining.ts'
import { type Completion, completionSchema } from '../../../protocol/completion.ts'
import { formatTime, toBase64url } from '../../../protocol/fields.ts'
import { composeGrant, type Grant, genesisTokenHash } from '../../../protocol/grant.ts'
import { type Hello, helloHash } from '../../../protocol/hello.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { type SealedCompletion, sealCompletion } from '../../../protocol/seal.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'

export const wallet = randomBytes(32)
export const stranger = randomBytes(32)
export const ownerOf = (key: Uint8Array) => addressOf(publicKeyOf(key))
export const cluster = '0123456789abcdef0123456789abcdef'

export function freshSession(): Promise<Session> {
  return newSession({ version: '0.1.0', nowMs: Date.now(), bootMs: 0 })
}

export function configFor() {
  return {
    v: 1,
    cluster,
    clusterSecret: Buffer.alloc(32, 5).toString('base64url'),
    wireguard: { address: '10.0.0.1', prefix: 24, listenPort: 51820, peers: [] },
  }
}

export type Changes = {
  readonly key?: Uint8Array
  readonly hello?: Hello
  readonly code?: string
  readonly grant?: Partial<Grant>
  /** Sealed instead of a good configuration. */
  readonly plaintext?: string
  readonly claim?: string | undefined
}

export type Sent = { readonly completion: Completion; readonly sealed: SealedCompletion }

/** What `orama node enroll` sends to a node with this session, changed as told. */
export function completionFor(session: Session, changes: Changes = {}): Sent {
  const { key = wallet, hello = session.hello, code = session.code } = changes
  const gateway = newKeyPair('x25519')
  const now = Date.now()
  const text = composeGrant({
    kind: 'genesis',
    cluster,
    authority: ownerOf(key),
    hello: helloHash(hello),
    code,
    nodeIp: '192.0.2.7',
    gatewayKey: toBase64url(gateway.publicKey),
    tokenHash: genesisTokenHash,
    issued: formatTime(new Date(now)),
    expires: formatTime(new Date(now + 600_000)),
    ...changes.grant,
  })
  const word = 'claim' in changes ? changes.claim : session.claim
  const grant = { text, signature: signText(text, key) }
  const claim = word === undefined ? {} : { claim: sealClaim(word, { hello, grant }) }
  const plaintext = Buffer.from(changes.plaintext ?? JSON.stringify(configFor()))
  const sealed = sealCompletion({ hello, grantText: text, gatewayPrivate: gateway.privateKey, plaintext })
  const { ephemeral, box } = sealed
  return { completion: completionSchema.parse({ v: 1, grant, ephemeral, box, ...claim }), sealed }
}

/** The same text with its first character replaced by another one of the alphabet. */
export const tampered = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1)

/** Another claim word than this one. */
export const otherWord = (claim: string) => (claim === '000000' ? '000001' : '000000')
