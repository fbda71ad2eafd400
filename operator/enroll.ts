import { ipv4, wireguardKey } from '../protocol/fields.ts'
import { integer, isSet, optional, required } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { completeOverNetwork } from './complete.ts'
import { Failure } from './failure.ts'
import { fetchHello } from './greet.ts'
import type { Greeting } from './greet.ts'
import { findNodes, isGenesis, nodesFolder, saveNode, setAsidePredecessors } from './node-file.ts'
import type { Enrolled, GenesisFile } from './node-file.ts'
import { fetchAcknowledgement, overWireguard } from './acknowledge.ts'
import { newNodeFile } from './grant.ts'
import { asksToJoin, joinNode, readCode } from './join.ts'
import { walletOptions, withWallet } from './wallet.ts'
import type { World } from './world.ts'

/** First start of a node to its verified acknowledgement; run again, it goes on where it stopped. */
export const nodeEnroll: Command = {
  help: 'make a node yours: compare its code, sign its grant, give it its configuration',
  options: {
    genesis: { help: 'the first node of a new cluster' },
    invite: { help: "file with the invite to a cluster, or '-' for standard input", value: 'FILE' },
    token: { help: "file with an invite's token of 64 hex digits, for the cluster of --env", value: 'FILE' },
    env: { help: 'environment of the cluster (default: that of the invite)', value: 'NAME' },
    'by-code': { help: 'for a node that nobody can call: it waits at the gateway', value: 'CODE' },
    'node-ip': { help: "the node's public address", value: 'IP' },
    code: { help: 'the enrollment code as the console shows it (asked for)', value: 'CODE' },
    claim: { help: 'the claim word as the console shows it (asked for)', value: 'WORD' },
    'trust-network': {
      help: 'do not compare the code: for nodes whose operator file names you; whoever is in between gets in',
    },
    port: { help: 'port of enrollment mode (default: 9999)', value: 'PORT' },
    'operator-key': { help: 'WireGuard public key of yours, instead of a new one', value: 'KEY' },
    ...walletOptions,
  },
  examples: [
    'orama node enroll --genesis --node-ip 192.0.2.7',
    'orama node enroll --genesis --node-ip 192.0.2.7 --code 7QK4-M2XD --claim 9TB3VA',
    'orama node enroll --genesis --node-ip 192.0.2.7 --trust-network',
    'orama node enroll --invite invite.txt --node-ip 192.0.2.8',
    'orama node enroll --invite invite.txt --by-code 7QK4-M2XD',
  ],
  run: enroll,
}

async function enroll(world: World, input: Input): Promise<Output> {
  return asksToJoin(input) ? enrollByInvite(world, input) : enrollGenesis(world, input)
}

async function enrollByInvite(world: World, input: Input): Promise<Output> {
  if ((optional(input, 'invite') === undefined) === (optional(input, 'token') === undefined))
    throw new Failure('usage', 'Give either --invite or --token')
  if (optional(input, 'operator-key') !== undefined)
    throw new Failure('usage', '--operator-key goes with --genesis alone')
  const code = readCode(input)
  if (code !== undefined) return joinNode(world, input, { code })
  const nodeIp = checkAddress(input)
  return joinNode(world, input, { nodeIp, pageUrl: `${enrollmentUrl(input, nodeIp)}/` })
}

async function enrollGenesis(world: World, input: Input): Promise<Output> {
  const nodeIp = checkOptions(input)
  const greeting = await greet(world, { input, nodeIp })
  if (greeting === undefined) return finishEarlier(world, input)
  const folder = nodesFolder(world, input)
  return withWallet(world, input, async wallet => {
    const node = await newNodeFile(folder, {
      greeting,
      nodeIp,
      wallet,
      now: world.now(),
      operatorKey: optional(input, 'operator-key'),
    })
    await saveNode(world, folder, node)
    const acknowledged = await completeOverNetwork(world, {
      node,
      claim: greeting.claim,
      url: completionUrl(input, nodeIp),
    })
    return finish(world, folder, acknowledged)
  })
}

function checkOptions(input: Input): string {
  if (!isSet(input, 'genesis'))
    throw new Failure('usage', 'Option --genesis is missing, or --invite', {
      hint: 'A node is the first of its cluster, or joins one by an invite',
    })
  const joins = ['invite', 'token', 'by-code', 'env'].find(name => optional(input, name) !== undefined)
  if (joins !== undefined) throw new Failure('usage', `--genesis does not go with --${joins}`)
  const key = optional(input, 'operator-key')
  if (key !== undefined && !wireguardKey.safeParse(key).success)
    throw new Failure('usage', 'Option --operator-key is no WireGuard public key')
  return checkAddress(input)
}

function checkAddress(input: Input): string {
  const nodeIp = required(input, 'node-ip')
  if (!ipv4.safeParse(nodeIp).success)
    throw new Failure('usage', `Option --node-ip is no IPv4 address: '${nodeIp}'`)
  if (isSet(input, 'trust-network') && (optional(input, 'code') ?? optional(input, 'claim')) !== undefined)
    throw new Failure('usage', '--trust-network does not go with --code or --claim', {
      hint: 'Whoever is between you and the node would learn the claim word',
    })
  return nodeIp
}

/** The node's hello; undefined when its port is closed and an earlier enrollment of it is on file. */
async function greet(world: World, at: { input: Input; nodeIp: string }): Promise<Greeting | undefined> {
  try {
    return await fetchHello(world, { input: at.input, url: `${enrollmentUrl(at.input, at.nodeIp)}/` })
  } catch (error) {
    const isClosed = error instanceof Failure && error.exit === 'unreachable'
    if (isClosed && (await findGeneses(world, at.input)).length > 0) return undefined
    throw error
  }
}

/** Port 9999 is closed: the node may have enrolled while its answer was lost. */
async function finishEarlier(world: World, input: Input): Promise<Output> {
  const [node] = await findGeneses(world, input)
  if (node === undefined) throw new Failure('unreachable', 'Cannot find an earlier enrollment of this node')
  if (node.enrolled !== undefined) {
    world.err(
      `Port ${portOf(input)} is closed, and this node is on file as enrolled since ${node.enrolled.at}\n`,
    )
    return describeNode({ ...node, enrolled: node.enrolled })
  }
  const folder = nodesFolder(world, input)
  world.err('Enrollment mode is over: asking the node for its acknowledgement over WireGuard\n')
  const ask = overWireguard(world, node)
  const acknowledged = await withWallet(world, input, wallet =>
    fetchAcknowledgement(world, { node, folder, wallet, ask }),
  )
  return finish(world, folder, acknowledged.node)
}

async function findGeneses(world: World, input: Input): Promise<readonly GenesisFile[]> {
  return (await findNodes(world, input)).filter(isGenesis)
}

async function finish(world: World, folder: string, node: Enrolled<GenesisFile>): Promise<Output> {
  await saveNode(world, folder, node)
  await setAsidePredecessors(world, folder, node)
  return describeNode(node)
}

function describeNode(node: Enrolled<GenesisFile>): Output {
  const { nodeId, nodeIp, cluster, owner, wireguard, enrolled } = node
  const { nodeAddress: address } = wireguard
  const json = {
    nodeId,
    nodeIp,
    cluster,
    owner,
    address,
    luksUuid: enrolled.luksUuid,
    enrolledAt: enrolled.at,
  }
  const text = [
    `Node ${nodeId} at ${nodeIp} is enrolled; its owner is ${owner}.`,
    `Next: orama node wg-config --node-ip ${nodeIp} >orama0.conf; wg-quick up ./orama0.conf; orama node status --node-ip ${address}`,
  ].join('\n')
  return { json, text }
}

function enrollmentUrl(input: Input, nodeIp: string): string {
  return `http://${nodeIp}:${portOf(input)}`
}

function completionUrl(input: Input, nodeIp: string): string {
  return `${enrollmentUrl(input, nodeIp)}/v1/agent/enroll/complete`
}

function portOf(input: Input): number {
  return integer(input, 'port', { min: 1, max: 65_535, fallback: 9999 })
}
