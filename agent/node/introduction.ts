import { setTimeout as sleep } from 'node:timers/promises'
import { introduce, type Place, postMember } from '../cluster/introduce.ts'
import { applyFirewall, type FirewallService } from '../network/firewall.ts'
import { log, tolerate } from '../system/log.ts'
import { run } from '../system/run.ts'
import type { Machine } from './machine.ts'
import { enrolledSide } from './network.ts'
import type { Node } from './serve.ts'

const gatewayPort = 443

/** A node that joined tells gateways so until another node answers; the genesis is known to whoever joined by it. */
export function introduceNode(node: Node, services: readonly FirewallService[]): void {
  const { machine, record, view } = node
  const member = view.membership().members.get(record.nodeId)?.record
  if (member?.invite === undefined) return
  const { signal } = machine.stopping
  const introduction = {
    ...{ member, post: postMember, random: Math.random, log, signal },
    places: () => placesOf(node),
    isOver: () => node.spread?.inTouch() === true || view.membership().departures.has(record.nodeId),
    openPorts: (outsideTcp: readonly number[]) =>
      applyFirewall(enrolledSide(machine, { wireguard: record.wireguard, services, outsideTcp }), run),
    pause: (ms: number) => sleep(ms, undefined, { signal }).catch(() => undefined),
  }
  void introduce(introduction).catch(tolerate('introduction'))
}

/** The gateway of the operator's file, and where other members were last: there is a gateway on every node. */
export function placesOf({
  machine,
  record,
  view,
}: Pick<Node, 'record' | 'view'> & { readonly machine: Pick<Machine, 'operator'> }): readonly Place[] {
  const members = new Set(view.members())
  const hosts = view
    .news()
    .endpoints.filter(({ node }) => node !== record.nodeId && members.has(node))
    .map(({ endpoint }) => endpoint.split(':')[0] ?? '')
  const others = [...new Set(hosts)].map(host => ({ host, port: gatewayPort }))
  const gateway = machine.operator?.kind === 'file' ? machine.operator.file.gateway : undefined
  if (gateway === undefined) return others
  const { hostname, port } = new URL(gateway)
  const own = { host: hostname, port: port === '' ? gatewayPort : Number(port) }
  return [own, ...others.filter(({ host }) => host !== own.host || own.port !== gatewayPort)]
}
