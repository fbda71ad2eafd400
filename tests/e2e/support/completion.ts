import { randomBytes } from 'node:crypto'
import type { Completion, EnrollmentConfig } from '../../../protocol/completion.ts'
import { formatTime, toBase64url } from '../../../protocol/fields.ts'
import { composeGrant, genesisTokenHash } from '../../../protocol/grant.ts'
import { enrollmentCode, type Hello, helloHash } from '../../../protocol/hello.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { sealCompletion } from '../../../protocol/seal.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'

const minuteMs = 60_000

/** A genesis completion as a stranger would make it, who knows the hello: all is right but the claim word. */
export async function strangersCompletion(hello: Hello, nodeIp: string): Promise<Completion> {
  const wallet = randomBytes(32)
  const gateway = newKeyPair('x25519')
  const cluster = randomBytes(16).toString('hex')
  const text = composeGrant({
    kind: 'genesis',
    cluster,
    authority: addressOf(publicKeyOf(wallet)),
    hello: helloHash(hello),
    code: await enrollmentCode(hello),
    nodeIp,
    gatewayKey: toBase64url(gateway.publicKey),
    tokenHash: genesisTokenHash,
    issued: formatTime(new Date()),
    expires: formatTime(new Date(Date.now() + 15 * minuteMs)),
  })
  const config: EnrollmentConfig = {
    v: 1,
    cluster,
    clusterSecret: toBase64url(randomBytes(32)),
    wireguard: { address: '10.0.0.1', prefix: 24, listenPort: 51_820, peers: [] },
  }
  const plaintext = Buffer.from(JSON.stringify(config))
  const sealed = sealCompletion({ hello, grantText: text, gatewayPrivate: gateway.privateKey, plaintext })
  const grant = { text, signature: signText(text, wallet) }
  return { v: 1, grant, ephemeral: sealed.ephemeral, box: sealed.box }
}
