import * as z from 'zod'
import { ipv4, nodeId } from '../../../protocol/fields.ts'
import { statusSchema } from '../../../protocol/status.ts'
import type { MachineOptions } from '../../../qemu/options.ts'
import { type Cluster, type ClusterNode, environment } from './cluster.ts'
import { must, type Place } from './node.ts'
import { poll } from './poll.ts'

export const minutes = 60_000
const rowSchema = z.looseObject({ nodeId, address: ipv4, status: statusSchema.optional() })
const reportSchema = z.looseObject({ nodes: z.array(rowSchema) })
export type Row = z.infer<typeof rowSchema>

/**
 * How machines boot here: what takes minutes or days elsewhere takes seconds, and what a fault says goes wrong. With
 * one processor each: of two that wait for each other in turn, half is lost where so many machines share the host's.
 */
export function hurryAnd(fault?: string): Pick<MachineOptions, 'fwCfg' | 'cpus'> {
  const wanted = fault === undefined ? hurry : `${hurry},${fault}`
  return { cpus: 1, fwCfg: { 'opt/orama/fault': wanted } }
}

const hurry = 'hurry@shares'

/** What `orama monitor report` says of the nodes. */
export async function report({ orama }: Cluster): Promise<readonly Row[]> {
  const said = must(await orama('monitor', 'report', '--env', environment, '--json'))
  return reportSchema.parse(JSON.parse(said)).nodes
}

/** Waits until the report has every node of the cluster ready. */
export function untilAllAreReady(cluster: Cluster): Promise<readonly Row[]> {
  return poll({
    ask: () => report(cluster).catch(() => []),
    wanted: rows =>
      rows.length === cluster.nodes.length && rows.every(({ status }) => status?.state === 'ready'),
    what: 'every node to be ready in the report',
    deadlineMs: 6 * minutes,
    askAgainMs: 3000,
  })
}

/** Stops a node in order and starts it again. */
export async function reboot(node: ClusterNode, boot: Parameters<Place['boot']>[0]): Promise<void> {
  await node.machine.stop()
  node.machine = await node.place.boot(boot)
}

/** Gives every machine another place on the network, and so another address. Those that run keep theirs. */
export async function move({ nodes, network }: Cluster): Promise<void> {
  for (const node of nodes) {
    const { place } = node
    const port = await network.attach()
    node.place = { ...place, port, boot: options => place.boot({ port, ...options }) }
  }
}
