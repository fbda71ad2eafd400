import { randomBytes } from 'node:crypto'
import { clusterSecretBytes } from '../protocol/cluster-secret.ts'
import { formatTime, fromBase64url, toBase64url } from '../protocol/fields.ts'
import { composeGrant, genesisTokenHash } from '../protocol/grant.ts'
import { helloHash, nodeIdOf } from '../protocol/hello.ts'
import { newKeyPair, publicOf } from '../protocol/keys.ts'
import { signText } from '../protocol/wallet.ts'
import type { Greeting } from './greet.ts'
import { isGenesis, loadNodes } from './node-file.ts'
import type { GenesisFile } from './node-file.ts'
import type { Wallet } from './wallet.ts'

export type GrantRequest = {
  readonly greeting: Greeting
  readonly nodeIp: string
  readonly wallet: Wallet
  readonly now: Date
  readonly operatorKey: string | undefined
}

export const grantLifeMs = 15 * 60_000

/**
 * The file of a node that is about to be enrolled as a genesis: a signed grant, and the operator's own keys.
 * A second try with the same hello keeps cluster and keys: the node may have accepted the first.
 */
export async function newNodeFile(folder: string, request: GrantRequest): Promise<GenesisFile> {
  const { hello } = request.greeting
  const nodeId = nodeIdOf(fromBase64url(hello.identity))
  const earlier = (await loadNodes(folder))
    .filter(isGenesis)
    .find(node => node.nodeId === nodeId && node.owner === request.wallet.address)
  const base = earlier ?? newBase(request.operatorKey)
  return {
    v: 1,
    nodeId,
    nodeIp: request.nodeIp,
    cluster: base.cluster,
    owner: request.wallet.address,
    hello,
    grant: signGrant(base, request),
    gatewayPrivate: base.gatewayPrivate,
    clusterSecret: base.clusterSecret,
    wireguard: base.wireguard,
    orderNumber: base.orderNumber,
    escrowNumber: base.escrowNumber,
    startedAt: formatTime(request.now),
  }
}

type Base = Pick<
  GenesisFile,
  'cluster' | 'gatewayPrivate' | 'clusterSecret' | 'wireguard' | 'orderNumber' | 'escrowNumber'
>

function newBase(operatorKey: string | undefined): Base {
  const own = operatorKey === undefined ? newWireguardPair() : { operatorPublic: operatorKey }
  return {
    cluster: randomBytes(16).toString('hex'),
    gatewayPrivate: takePrivate(newKeyPair('x25519').privateKey, 'base64url'),
    clusterSecret: toBase64url(randomBytes(clusterSecretBytes)),
    wireguard: {
      ...own,
      operatorAddress: '10.0.0.254',
      nodeAddress: '10.0.0.1',
      prefix: 24,
      listenPort: 51_820,
    },
    orderNumber: 0,
    escrowNumber: 0,
  }
}

function newWireguardPair(): { operatorPublic: string; operatorPrivate: string } {
  const { privateKey, publicKey } = newKeyPair('x25519')
  return { operatorPublic: publicKey.toString('base64'), operatorPrivate: takePrivate(privateKey, 'base64') }
}

// These two keys must survive this process, so they go into the node file as text; the wallet's key never does.
function takePrivate(key: Buffer, encoding: 'base64' | 'base64url'): string {
  const text = key.toString(encoding)
  key.fill(0)
  return text
}

function signGrant(base: Base, request: GrantRequest): GenesisFile['grant'] {
  const { greeting, nodeIp, now, wallet } = request
  const text = composeGrant({
    kind: 'genesis',
    cluster: base.cluster,
    authority: wallet.address,
    hello: helloHash(greeting.hello),
    code: greeting.code,
    nodeIp,
    gatewayKey: toBase64url(publicOf('x25519', fromBase64url(base.gatewayPrivate))),
    tokenHash: genesisTokenHash,
    issued: formatTime(now),
    expires: formatTime(new Date(now.getTime() + grantLifeMs)),
  })
  return { text, signature: signText(text, wallet.privateKey) }
}
