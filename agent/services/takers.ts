import { agentOnlyPorts } from '../network/firewall.ts'
import type { HeldPort } from '../system/ports.ts'
import type { Manifest } from './manifest.ts'

/** A service that holds a port of somebody else. */
export type Taker = { readonly name: string; readonly port: number; readonly owner: string }

/** The agent's own ports. */
const ofAgent = Object.values(agentOnlyPorts).map(port => ({ port, protocol: 'tcp' as const }))

/**
 * Which services hold a port that is not theirs, by what the kernel says of all sockets. A port that is nobody's may be
 * held by anybody; who is no service is not judged.
 */
export function portTakers(manifests: readonly Manifest[], held: readonly HeldPort[]): Taker[] {
  const owners = [{ name: 'agent', uid: 0, ports: ofAgent }, ...manifests]
  return held.flatMap(({ protocol, port, uid }) => {
    const owner = owners.find(one => one.ports.some(p => p.port === port && p.protocol === protocol))
    const holder = manifests.find(one => one.uid === uid)
    if (owner === undefined || holder === undefined || owner.uid === uid) return []
    return [{ name: holder.name, port, owner: owner.name }]
  })
}
