import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { Machine } from '../../../qemu/machine.ts'
import { type Network, placeOf, startNetwork } from '../../../qemu/network.ts'
import { ipv4, nodeId } from '../../../protocol/fields.ts'
import { addEnvironment, certificateOf } from './environment.ts'
import { untilHealthy } from './gateway-port.ts'
import { type HeaderRecording, recordHeader } from './header-writes.ts'
import { testFolder } from './folder.ts'
import type { Test } from './keep.ts'
import {
  enrollment,
  connect,
  makePlace,
  must,
  operatorOf,
  type Place,
  readConsole,
  type Site,
} from './node.ts'
import { poll } from './poll.ts'

/** One node of a cluster under test. */
export type ClusterNode = {
  readonly name: string
  place: Place
  machine: Machine
  /** Empty until it is enrolled. */
  nodeId: string
  /** On WireGuard. */
  address: string
  /** Of what it writes to its disk until it starts for the second time. */
  readonly recording?: HeaderRecording
}

/** Several machines on one network, and the operator of them all. */
export type Cluster = {
  readonly folder: string
  readonly network: Network
  readonly orama: Site['orama']
  /** SHA-256 of the gateways' certificate, once the first of them runs. */
  certificate?: string
  /** The genesis first. */
  readonly nodes: ClusterNode[]
}

type Boot = Parameters<Place['boot']>[0]

export type ClusterOf = {
  readonly image: string
  readonly count: number
  /**
   * So many of them, the last, wait at the gateway for their owner, whom their operator file names: nothing reaches
   * their port 9999.
   */
  readonly calling: number
  /** Of those that call; `image` unless told otherwise. */
  readonly callingImage?: string
  /** The number of the node whose writes are recorded, from 1. */
  readonly recorded?: number
  readonly boot?: Boot
  /** Hears how far it is. */
  readonly say?: (line: string) => void
}

const minuteMs = 60_000
const enrollmentPort = 9999
/** How operators call the cluster here. */
export const environment = 'test'
/** Two machines are known by names that follow them: the first two, once all have moved to their second places. */
function namesOf(count: number): Readonly<Record<string, string>> {
  return { 'one.test': placeOf(count + 1).address, 'two.test': placeOf(count + 2).address }
}

/** A machine that boots keeps one core busy. */
const sideBySide = 2

/** Boots machines: the first is enrolled as genesis, and by its gateway each of the others joins, one by one. */
export async function makeCluster(t: Test, of: ClusterOf): Promise<Cluster> {
  const folder = await testFolder(t)
  const network = await startNetwork({ folder, names: namesOf(of.count) })
  t.teardown(async () => network[Symbol.asyncDispose]())
  const cluster: Cluster = { folder, network, orama: operatorOf(network, folder), nodes: [] }
  const { address: owner } = ownerSchema.parse(
    JSON.parse(must(await cluster.orama('wallet', 'new', '--json'))),
  )
  // Who calls has to know where the genesis is.
  const first = Math.min(sideBySide, Math.max(of.count - of.calling, 1))
  for (let at = 0, width = first; at < of.count; at += width, width = sideBySide) {
    const next = Array.from({ length: Math.min(width, of.count - at) }, (_, more) => at + more + 1)
    cluster.nodes.push(...(await Promise.all(next.map(number => boot(t, { ...of, cluster, number, owner })))))
  }
  const [genesis, ...others] = cluster.nodes
  if (genesis === undefined) throw new RangeError('Cannot make a cluster of no nodes')
  const { calling, say = () => undefined } = of
  await enrollGenesis(cluster, genesis)
  say(`${genesis.name} is the genesis: ${genesis.nodeId} at ${genesis.address}`)
  for (const [at, node] of others.entries()) {
    await joinNode(cluster, node, { calling: at >= others.length - calling })
    say(`${node.name} has joined: ${node.nodeId} at ${node.address}`)
  }
  return cluster
}

const ownerSchema = z.looseObject({ address: z.string() })

type Booted = ClusterOf & { readonly cluster: Cluster; readonly number: number; readonly owner: string }

/** Until its console says that it waits for its owner. */
async function boot(t: Test, { cluster, number, owner, ...of }: Booted): Promise<ClusterNode> {
  const { folder, network, orama } = cluster
  const name = `node-${number}`
  const isCalling = number > of.count - of.calling
  const image = isCalling ? (of.callingImage ?? of.image) : of.image
  const place = await makePlace(t, { folder, network, image, name })
  if (isCalling) await network.shield(place.port, enrollmentPort)
  const gateway = `https://${cluster.nodes[0]?.place.port.address ?? ''}`
  const calls = isCalling ? ['--owner', owner, '--gateway', gateway] : []
  const hints = Object.keys(namesOf(of.count)).flatMap(name => ['--hint', `${name}:51820`])
  must(await orama('image', 'prepare', place.disk.file, ...hints, ...calls))
  const recording = number === of.recorded ? await recordHeader(place.disk, join(folder, name)) : undefined
  const machine = await place.boot({ ...of.boot, ...(recording && { disk: recording.disk }) })
  await machine.console.waitFor('STATE blank\n', 5 * minuteMs)
  of.say?.(`${name} waits for its owner`)
  return { name, place, machine, nodeId: '', address: '', ...(recording && { recording }) }
}

/** The site of one node, for what works on one. */
export function siteOf({ folder, network, orama }: Cluster, { place }: ClusterNode): Site {
  return { folder, network, orama, ...place }
}

const enrolledSchema = z.looseObject({ nodeId, address: ipv4 })

async function enrollGenesis(cluster: Cluster, node: ClusterNode): Promise<void> {
  const { orama } = cluster
  const site = siteOf(cluster, node)
  const enrolled = must(await orama(...enrollment(site, await readConsole(node.machine)), '--json'))
  Object.assign(node, pick(enrolled))
  await connect(site)
  // Beside machines that boot it takes a while to start.
  await untilHealthy(cluster, gatewayOf(node), 5 * minuteMs)
  await callBy(cluster, node, environment)
}

/** Has the operator call the cluster by the gateway of this node. */
export async function callBy(cluster: Cluster, node: ClusterNode, name: string): Promise<void> {
  const certificate = (cluster.certificate ??= await certificateOf(cluster.orama))
  await addEnvironment(cluster.orama, { name, gateway: gatewayOf(node), certificate })
}

function gatewayOf({ place }: ClusterNode): string {
  return `https://${place.port.address}`
}

/** An invite, and the owner's command with it: at the node's port 9999, or by the code under which it called. */
async function joinNode(
  { folder, network, orama }: Cluster,
  node: ClusterNode,
  { calling }: { readonly calling: boolean },
): Promise<void> {
  const shown = await readConsole(node.machine)
  if (calling) await checkShield(network, node)
  const file = join(folder, `${node.name}.invite`)
  await writeFile(file, must(await orama('node', 'invite', '--env', environment)), { mode: 0o600 })
  const enroll = ['node', 'enroll', '--invite', file, '--json']
  const where = calling
    ? ['--by-code', shown.code]
    : ['--node-ip', node.place.port.address, '--code', shown.code, '--claim', shown.claim]
  const again = [/no node with this code waits/, /does not answer/, /Cannot reach/]
  // A node that calls may not have called yet, and the registry of two nodes waits for both.
  const { out, error } = await poll({
    ask: () => orama(...enroll, ...where),
    wanted: ({ error: said }) => !again.some(one => one.test(said)),
    what: `${node.name} to join`,
    deadlineMs: 6 * minuteMs,
    askAgainMs: 2000,
  })
  if (out === '') throw new Error(`Cannot have ${node.name} join: ${error}`)
  Object.assign(node, pick(out))
}

/** Throws unless port 9999 of a machine that listens there is out of reach. */
async function checkShield({ exec }: Network, { name, place }: ClusterNode): Promise<void> {
  const asked = exec('curl', ['-s', '-m', '3', `http://${place.port.address}:${enrollmentPort}/`])
  const why = await asked.then(
    () => 'an answer',
    (cause: unknown) => String(cause),
  )
  if (!why.includes('status 28')) throw new Error(`Cannot shield ${name}: port ${enrollmentPort} gave ${why}`)
}

function pick(json: string): Pick<ClusterNode, 'nodeId' | 'address'> {
  const { nodeId: id, address } = enrolledSchema.parse(JSON.parse(json))
  return { nodeId: id, address }
}
