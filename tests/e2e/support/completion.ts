import { randomBytes } from 'node:crypto'
import { sealClaim } from '../../../protocol/cluster/joining.ts'
import type { Completion, EnrollmentConfig } from '../../../protocol/completion.ts'
import { formatTime, toBase64url } from '../../../protocol/fields.ts'
import { composeGrant, genesisTokenHash, type Grant } from '../../../protocol/grant.ts'
import { enrollmentCode, type Hello, helloHash } from '../../../protocol/hello.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { sealCompletion } from '../../../protocol/seal.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'

const minuteMs = 60_000

/** A genesis completion as a stranger would make it, who knows the hello: all is right but the claim word. */
export function strangersCompletion(hello: Hello, nodeIp: string): Promise<Completion> {
  return completionOf({ hello, nodeIp, wallet: randomBytes(32) })
}

export type CompletionOf = {
  readonly hello: Hello
  readonly nodeIp: string
  /** Who signs the grant. */
  readonly wallet: Uint8Array
  /** The claim word, if the owner has read it. */
  readonly claim?: string
  readonly grant?: Partial<Grant>
  /** Makes what is sealed, as JSON unless it is text, of a good configuration. */
  readonly config?: (good: EnrollmentConfig) => object | string
}

/** A genesis completion of the gateway that the grant names; right in all that is not changed. */
export async function completionOf(of: CompletionOf): Promise<Completion> {
  const { hello, wallet, claim } = of
  const gateway = newKeyPair('x25519')
  const cluster = randomBytes(16).toString('hex')
  const text = composeGrant({
    kind: 'genesis',
    cluster,
    authority: addressOf(publicKeyOf(wallet)),
    hello: helloHash(hello),
    code: await enrollmentCode(hello),
    nodeIp: of.nodeIp,
    gatewayKey: toBase64url(gateway.publicKey),
    tokenHash: genesisTokenHash,
    issued: formatTime(new Date()),
    expires: formatTime(new Date(Date.now() + 15 * minuteMs)),
    ...of.grant,
  })
  const good: EnrollmentConfig = {
    v: 1,
    cluster: of.grant?.cluster ?? cluster,
    clusterSecret: toBase64url(randomBytes(32)),
    wireguard: { address: '10.0.0.1', prefix: 24, listenPort: 51_820, peers: [] },
  }
  const config = of.config?.(good) ?? good
  const plaintext = Buffer.from(typeof config === 'string' ? config : JSON.stringify(config))
  const sealed = sealCompletion({ hello, grantText: text, gatewayPrivate: gateway.privateKey, plaintext })
  const grant = { text, signature: signText(text, wallet) }
  const claimed = claim === undefined ? {} : { claim: sealClaim(claim, { hello, grant }) }
  return { v: 1, grant, ephemeral: sealed.ephemeral, box: sealed.box, ...claimed }
}
