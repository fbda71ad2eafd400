import { setTimeout as sleep } from 'node:timers/promises'
import { inNetwork, type Peer } from '../../protocol/wireguard.ts'
import { type HintsWorld, seekByHints } from '../cluster/hints.ts'
import type { ClusterView } from '../cluster/view.ts'
import { resolveHost } from '../network/resolve.ts'
import type { Tunnel } from '../network/tunnel.ts'
import { log, tolerate } from '../system/log.ts'
import { applyPeers, tunnelOf } from './cluster.ts'
import type { Machine } from './machine.ts'
import type { Node } from './serve.ts'

/** While some member is silent it is looked for where the operator file says that members may be found. */
export function followHints(node: Node): void {
  const { machine } = node
  const hints = machine.operator?.kind === 'file' ? (machine.operator.file.hints ?? []) : []
  if (hints.length === 0) return
  const { signal } = machine.stopping
  const world: HintsWorld = {
    ...membersByTunnel({ ...node, tunnel: tunnelOf(node) }),
    restore: () => applyPeers(node),
    resolve: resolveHost,
    pause: ms => sleep(ms, undefined, { signal }),
    log,
  }
  const loop = async () => {
    // What failed once, such as a call of `wg`, need not fail again.
    while (!signal.aborted) await seekByHints(hints, world, signal).catch(unlessStopped(signal))
  }
  void loop()
}

export type Seeking = Pick<Node, 'record'> & {
  readonly view: Pick<ClusterView, 'peers'>
  readonly tunnel: Pick<Tunnel, 'silent' | 'aim'>
  readonly machine: Pick<Machine, 'address'>
}

/** The part of the world that is WireGuard's, and what of it is this node's own. */
export function membersByTunnel({
  record: { wireguard },
  view,
  tunnel,
  machine,
}: Seeking): Pick<HintsWorld, 'silent' | 'aim' | 'isUsable'> {
  const members = () => view.peers().filter(isMember)
  const ids = (peers: readonly MemberPeer[]) => peers.map(peer => peer.nodeId)
  return {
    silent: async () => ids(await tunnel.silent(members())),
    aim: async endpoint => ids(await tunnel.aim(members(), endpoint)),
    isUsable: (address, port) =>
      !inNetwork(address, wireguard) && !(address === machine.address && port === wireguard.listenPort),
  }
}

type MemberPeer = Peer & { readonly nodeId: string }

/** Operators call; nobody looks for them. */
function isMember(peer: Peer): peer is MemberPeer {
  return peer.nodeId !== undefined
}

function unlessStopped(signal: AbortSignal): (cause: unknown) => void {
  return cause => {
    if (!signal.aborted) tolerate('hints')(cause)
  }
}
