import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { inviteKey, tokenHash } from '../../protocol/cluster/invite.ts'
import type { MemberRecord } from '../../protocol/cluster/member.ts'
import { soleAuthority } from '../../protocol/cluster/trust.ts'
import { signAcknowledgement } from '../../protocol/completion.ts'
import { helloHash } from '../../protocol/hello.ts'
import { openRegistry, type Registry } from '../../services/gateway/registry/registry.ts'
import { openSqlite } from '../../services/gateway/registry/sqlite.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  type TestNode,
} from '../../tests/protocol/cluster/sample.ts'
import { gatewayKey, network } from './place.ts'

/** While the vouchers and grants of the sample records hold. */
const now = new Date('2026-11-21T08:05:00Z')
const until = new Date('2026-11-21T08:15:00Z')

export type Filled = {
  /** Of the registry's file. */
  readonly bytes: number
  /** Those that joined, by address. */
  readonly nodes: ReadonlyMap<string, TestNode>
}

/** Makes a registry in a file, with a genesis and so many nodes that joined by invites; what a join leaves there is all there. */
export async function fillRegistry(path: string, count: number): Promise<Filled> {
  const registry = await openBenchRegistry(path, authority.address)
  const nodes = new Map<string, TestNode>()
  try {
    await addMember(registry, genesisRecord({ address: network.address }))
    for (let made = 0; made < count; made++) {
      const node = newNode()
      nodes.set(await register(registry, node), node)
    }
  } finally {
    await registry.close()
  }
  return { bytes: (await stat(path)).size, nodes }
}

/** Opens the registry of the measured cluster, whose authority has this address. */
export async function openBenchRegistry(path: string, authorityAddress: string): Promise<Registry> {
  const pool = { network: '127.0.9.0', prefix: network.prefix, reserved: [] }
  const database = await openSqlite(path)
  return openRegistry({ database, cluster, authority: authorityAddress, gatewayKey, pool }, now)
}

/** Invite, address, member record, token and answer of one node, as a join stores them. Returns its address. */
async function register(registry: Registry, node: TestNode): Promise<string> {
  const token = randomBytes(32)
  const hello = helloHash(node.hello)
  const reservation = { hello, tokenHash: tokenHash(inviteKey(token).publicKey), until }
  const { invites, addresses } = registry
  const address = await addresses.allocate(reservation, now)
  if (address === undefined) throw new Error('Cannot register node: no address is free')
  const member = joinRecord({ node, address, token })
  const { invite } = member
  if (invite === undefined) throw new Error('Cannot register node: its record has no invite')
  const trust = soleAuthority({ cluster, authority: authority.address })
  await invites.add(invite.voucher, { trust, now })
  await invites.reserve(reservation, now)
  await addMember(registry, member)
  await addresses.confirm(hello)
  await invites.spend(reservation, now)
  await storeAnswer(registry, node, member)
  return address
}

async function addMember({ members }: Registry, record: MemberRecord): Promise<void> {
  const [refusal] = await members.add({ members: [record], departures: [] }, now)
  if (refusal !== undefined) throw new Error(`Cannot register node: ${refusal.why}`)
}

async function storeAnswer(registry: Registry, node: TestNode, member: MemberRecord): Promise<void> {
  const { nodeId, keys } = node
  const agentToken = randomBytes(32)
  const hello = helloHash(node.hello)
  const facts = {
    ...{ v: 1 as const, nodeId, hello, owner: authority.address, cluster },
    agentToken: agentToken.toString('hex'),
    luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
    wireguard: { publicKey: node.hello.wireguard, address: member.address },
  }
  const acknowledgement = signAcknowledgement(facts, keys.identity.privateKey)
  await registry.joinAnswers.put(hello, { acknowledgement, member })
  await registry.nodeTokens.put(nodeId, agentToken)
}
