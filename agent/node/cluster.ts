import { setTimeout as sleep } from 'node:timers/promises'
import { epochsOf } from '../../protocol/shares/opening.ts'
import { type CatchUp, catchUp, type Due } from '../cluster/catch-up.ts'
import { spreadNews } from '../cluster/spread.ts'
import { guardianPort } from '../network/firewall.ts'
import { newTunnel, type Tunnel } from '../network/tunnel.ts'
import { askByHttp } from '../shares/ask.ts'
import { bootTimeMs } from '../system/libc.ts'
import { log, tolerate } from '../system/log.ts'
import { run } from '../system/run.ts'
import { eraseDeparted } from './guardian.ts'
import { beginLeaving, hasLeft, registryMs } from './leave.ts'
import { changeRecord } from './records.ts'
import type { Node } from './serve.ts'
import { whereabouts } from './whereabouts.ts'

const roundMs = 5000
const answerMs = 2000

/** From here on this node hears what happens in its cluster, passes it on, and says where it is itself. */
export function joinNews(node: Node): void {
  const { machine, view, record } = node
  const { signal } = machine.stopping
  const ask = askByHttp({ addressOf: view.addressOf, port: guardianPort, signal })
  const due: CatchUp = catchUp(of => applyNews(node, of, due), tolerate('news of the cluster'))
  const spread = spreadNews({
    view,
    own: record.nodeId,
    ask,
    onChange: due.take,
    log,
    random: Math.random,
  })
  node.spread = spread
  node.ask = ask
  const sayWhere = whereabouts(node, { log, nowMs: () => performance.now(), now: () => new Date() })
  const loop = async () => {
    for (let needed = ''; !signal.aborted;) {
      await sayWhere()
      await spread.round()
      const now = neededOf(node).join()
      if (now !== needed) await due.take({ isDeparture: false })
      needed = now
      await due.round()
      await sleep(roundMs, undefined, { signal }).catch(() => undefined)
    }
  }
  void loop().catch(tolerate('news of the cluster'))
}

/** WireGuard's peers as they are known now; sessions that there are go on. */
export async function applyPeers(node: Node): Promise<void> {
  const { wireguard } = node.record
  const privateKey = Buffer.from(wireguard.privateKey, 'base64')
  try {
    await tunnelOf(node).apply({ ...wireguard, peers: node.view.peers(neededOf(node)), privateKey })
  } finally {
    privateKey.fill(0)
  }
}

/**
 * Who leaves and stays a peer: who has shares of this node, until it has been told to erase them, which is done at the
 * end of a change, when the record does not name it any more. And all for as long as the registry may need their vote.
 */
export function neededOf({ view, record, care }: Pick<Node, 'view' | 'record' | 'care'>): readonly string[] {
  if (care?.isChanging() === true) return view.leaving()
  const holders = epochsOf(record.openings).flatMap(epoch => epoch.holders.map(one => one.node))
  const voting = view.leaving(registryMs)
  return view.leaving().filter(one => holders.includes(one) || voting.includes(one))
}

/** The node's one tunnel, from its first use on. */
export function tunnelOf(node: Node): Tunnel {
  node.tunnel ??= newTunnel({ run, bootTimeMs, nowMs: Date.now })
  return node.tunnel
}

/** While the disk is closed the record cannot be written: it gets what was heard after the unlock. */
async function applyNews(node: Node, { isDeparture }: Due, due: CatchUp): Promise<void> {
  if (isDeparture) applyLater(node, due)
  else await applyPeers(node)
  if (node.machine.dataOpen === true && node.machine.state.current().name !== 'stopping')
    await changeRecord(node, node.view.into)
  if (!isDeparture) return
  await eraseDeparted(node)
  // Its record did not come to say so before a power cut; the others knew.
  if (hasLeft(node.view.into(node.record))) beginLeaving(node)
}

/** Who says that it leaves still hears the answer. */
function applyLater(node: Node, due: CatchUp): void {
  const apply = async () => {
    try {
      await applyPeers(node)
    } catch (cause) {
      tolerate('peers')(cause)
      await due.take({ isDeparture: false })
    }
  }
  setTimeout(() => void apply(), answerMs).unref()
}
