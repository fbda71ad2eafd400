import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import {
  base64url,
  clusterId,
  counter,
  ipv4,
  nodeId,
  signedTextSchema,
  time,
  tokenHex,
  uuid,
  wireguardKey,
} from '../protocol/fields.ts'
import { inviteProofSchema } from '../protocol/cluster/invite.ts'
import { helloSchema } from '../protocol/hello.ts'
import { addressSchema } from '../protocol/wallet.ts'
import { optional } from './command.ts'
import type { Input } from './command.ts'
import { environmentName } from './environments.ts'
import { Failure } from './failure.ts'
import { configFolder, isAbsent, readSmallFile, replaceFile } from './files.ts'
import { withLock } from './lock.ts'
import type { World } from './world.ts'

const common = {
  v: z.literal(1),
  nodeId,
  nodeIp: ipv4,
  cluster: clusterId,
  owner: addressSchema,
  hello: helloSchema,
  grant: signedTextSchema,
  /** The number of the last order that was sent to this node. */
  orderNumber: counter,
  /** The newest escrow number seen: an older escrow is refused. */
  escrowNumber: counter,
  startedAt: time,
  /** There once the node's acknowledgement was verified. */
  enrolled: z.strictObject({ luksUuid: uuid, agentToken: tokenHex, at: time }).optional(),
}

/** Of the first node of a cluster, whose secret and network were made here. */
export const genesisFileSchema = z.strictObject({
  ...common,
  gatewayPrivate: base64url({ length: 32 }),
  clusterSecret: base64url({ length: 32 }),
  wireguard: z.strictObject({
    operatorAddress: ipv4,
    operatorPublic: wireguardKey,
    /** Absent where the operator brought a key of their own (--operator-key). */
    operatorPrivate: wireguardKey.optional(),
    nodeAddress: ipv4,
    prefix: z.int().min(16).max(30),
    listenPort: z.int().min(1).max(65_535),
  }),
})
export type GenesisFile = z.infer<typeof genesisFileSchema>

/** Of a node that joins through a gateway: its cluster's secret is none of the owner's, and its peers are the members. */
export const joinedFileSchema = z.strictObject({
  ...common,
  /** By which the cluster is reached. */
  environment: environmentName,
  /** That the holder of the invite means the grant. */
  proof: inviteProofSchema,
  /** That it asks what became of it: the gateway's answer has the agent's token in it. */
  asking: base64url({ length: 64 }),
  /** WireGuard's; there once it is enrolled. */
  address: ipv4.optional(),
})
export type JoinedFile = z.infer<typeof joinedFileSchema>

/** What the operator's machine knows of one node: nodes/<node id>.json, mode 0600, written before anything is sent. */
export const nodeFileSchema = z.union([genesisFileSchema, joinedFileSchema])
export type NodeFile = GenesisFile | JoinedFile
export type Enrolled<T extends NodeFile> = T & { readonly enrolled: NonNullable<NodeFile['enrolled']> }
/** What only ever grows. */
export type NodeNumbers = Pick<NodeFile, 'orderNumber' | 'escrowNumber'>
export type EnrolledNode = Enrolled<GenesisFile> | Enrolled<JoinedFile>

export function isGenesis(node: NodeFile): node is GenesisFile {
  return 'clusterSecret' in node
}

/** A genesis as it is. Throws Failure 'usage' for a joined node, of which this machine does not have what is needed. */
export function genesisOnly(
  node: NodeFile,
  need: { readonly what: string; readonly hint: string },
): GenesisFile {
  if (isGenesis(node)) return node
  throw new Failure(
    'usage',
    `Node ${node.nodeId} joined its cluster: this machine has no ${need.what} of it`,
    {
      hint: need.hint,
    },
  )
}

/** A node's address on WireGuard; undefined while it is not enrolled. */
export function wireguardAddress(node: NodeFile): string | undefined {
  return isGenesis(node) ? node.wireguard.nodeAddress : node.address
}

/** Where the node files of a configuration are. */
export function nodesFolder(world: World, input: Input): string {
  return join(configFolder(world, input), 'nodes')
}

/**
 * Saves a node file so that it survives a power cut right after. Numbers that another `orama` has saved since the file
 * was read never go back.
 */
export async function saveNode(world: World, folder: string, node: NodeFile): Promise<void> {
  const path = pathOf(folder, node)
  await withLock(world, lockOf(path), async () => {
    const known = (await isAbsent(path)) ? node : await loadNode(path)
    await replaceNode(path, { ...node, ...greaterNumbers(known, node) })
  })
}

/**
 * Counts one more order to a node on its file, of which nothing else is changed, and returns the numbers that are on
 * file from then on: after those that are there, and after those that the caller has seen.
 */
export async function countOrder(
  world: World,
  folder: string,
  seen: NodeNumbers & Pick<NodeFile, 'nodeId'>,
): Promise<NodeNumbers> {
  const path = pathOf(folder, seen)
  return withLock(world, lockOf(path), async () => {
    const known = await loadNode(path)
    const { orderNumber, escrowNumber } = greaterNumbers(known, seen)
    const counted = { orderNumber: orderNumber + 1, escrowNumber }
    await replaceNode(path, { ...known, ...counted })
    return counted
  })
}

/** All node files, newest enrollment first. */
export async function loadNodes(folder: string): Promise<readonly NodeFile[]> {
  const names = (await listFolder(folder)).filter(name => /^n[a-z2-7]{16}\.json$/.test(name))
  const nodes = await Promise.all(names.map(name => loadNode(join(folder, name))))
  return nodes.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))
}

/** The address of a node that nobody can call: it calls its gateway. */
export const nowhere = '0.0.0.0'

/**
 * Moves the files of earlier enrollments at the same address to nodes/replaced/: most times that machine was flashed
 * again. Says so: it may as well be another machine now.
 */
export async function setAsidePredecessors(world: World, folder: string, node: NodeFile): Promise<void> {
  const others = (await loadNodes(folder)).filter(
    other => other.nodeIp === node.nodeIp && other.nodeIp !== nowhere && other.nodeId !== node.nodeId,
  )
  if (others.length === 0) return
  const replaced = join(folder, 'replaced')
  await mkdir(replaced, { recursive: true, mode: 0o700 })
  for (const other of others) {
    await rename(pathOf(folder, other), pathOf(replaced, other))
    world.err(
      `The file of node ${other.nodeId}, which was at this address before, is ${pathOf(replaced, other)} now. ` +
        'Move it back if that node still runs elsewhere.\n',
    )
  }
}

/** Options by which commands find their node. */
export const nodeOptions = {
  'node-ip': { help: "the node's public or WireGuard address", value: 'IP' },
  node: { help: 'the node id, where several nodes have that address', value: 'ID' },
} as const

/** The one enrolled node that --node-ip and --node mean. Throws Failure 'usage' for none or several. */
export async function findEnrolled(world: World, input: Input): Promise<EnrolledNode> {
  const nodes = (await findNodes(world, input)).filter(node => node.enrolled !== undefined)
  return only(nodes) as EnrolledNode
}

/** The one node, enrolled or on its way, that --node-ip and --node mean. */
export async function findNode(world: World, input: Input): Promise<NodeFile> {
  return only(await findNodes(world, input))
}

/** All nodes that --node-ip and --node fit. */
export async function findNodes(world: World, input: Input): Promise<readonly NodeFile[]> {
  const ip = optional(input, 'node-ip')
  const id = optional(input, 'node')
  return (await loadNodes(nodesFolder(world, input))).filter(
    node => (ip === undefined || isAt(node, ip)) && (id === undefined || node.nodeId === id),
  )
}

function isAt(node: NodeFile, ip: string): boolean {
  return node.nodeIp === ip || wireguardAddress(node) === ip
}

function only(nodes: readonly NodeFile[]): NodeFile {
  const [node, ...others] = nodes
  if (node === undefined)
    throw new Failure('usage', 'Cannot find such a node in the configuration folder', {
      hint: "'orama node enroll' makes its file; --config DIR names another folder",
    })
  if (others.length > 0)
    throw new Failure('usage', `Cannot choose between nodes ${nodes.map(each => each.nodeId).join(', ')}`, {
      hint: 'Give --node ID',
    })
  return node
}

function pathOf(folder: string, { nodeId: id }: Pick<NodeFile, 'nodeId'>): string {
  return join(folder, `${id}.json`)
}

function lockOf(path: string): string {
  return `${path}.lock`
}

function greaterNumbers(one: NodeNumbers, other: NodeNumbers): NodeNumbers {
  return {
    orderNumber: Math.max(one.orderNumber, other.orderNumber),
    escrowNumber: Math.max(one.escrowNumber, other.escrowNumber),
  }
}

async function replaceNode(path: string, node: NodeFile): Promise<void> {
  await replaceFile(path, `${JSON.stringify(nodeFileSchema.parse(node), null, 2)}\n`)
}

async function loadNode(path: string): Promise<NodeFile> {
  const text = await readSmallFile(path)
  try {
    return nodeFileSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new SyntaxError(`Cannot read node file '${path}'`, { cause })
  }
}

async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    throw new Failure('failed', `Cannot read folder '${folder}'`, { cause })
  }
}
