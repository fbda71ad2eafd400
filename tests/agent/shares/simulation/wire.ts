import { GuardianRefusal } from '../../../../agent/shares/world.ts'
import { type Guardian, guardianOn } from '../fake-guardian.ts'
import { type Cluster, isRunning, minuteMs, type SimNode } from './cluster.ts'

/** The guardian of that name as this node reaches it now, over wires that lose and delay. Throws where it does not. */
export function reach(cluster: Cluster, from: SimNode, name: string): Guardian {
  const to = reachable(cluster, from, name)
  if (to === undefined) throw new Error('it does not answer')
  checkMember(cluster, from, to)
  const guardian = guardianOn(to.store)
  const state = (act: () => Promise<void>) => stateTo(cluster, { from, to, act })
  return {
    deposit: (owner, what) => {
      if (what.keep.length > 1)
        cluster.failure ??= new Error(`Cannot go on: ${owner} would keep ${what.keep.length} other epochs`)
      // It may come when the sender has wiped its own.
      const kept = { ...what, share: Buffer.from(what.share) }
      if (to.rots) kept.share.reverse()
      return state(() => guardian.deposit(owner, kept))
    },
    keep: (owner, epochs) => state(() => guardian.keep(owner, epochs)),
    release: async (owner, epoch, signal) => {
      lose(cluster)
      if (from.state === 'locked' && cluster.nowMs < from.leaseEndsMs)
        throw new GuardianRefusal('lease', 'it may still live')
      const share = await guardian.release(owner, epoch, signal)
      lose(cluster)
      return share
    },
  }
}

/** A guardian that has not heard of the node, or has heard that it went, does nothing for it. */
function checkMember({ departed }: Cluster, from: SimNode, to: SimNode): void {
  if (from.joined > to.heard || (departed.get(from.id) ?? Infinity) <= to.heard)
    throw new GuardianRefusal('not-a-member', 'it does not know this node')
}

/** The node of that name where it runs and no partition is between. */
export function reachable({ nodes }: Cluster, from: SimNode, name: string): SimNode | undefined {
  const to = nodes.get(name)
  return to !== undefined && isRunning(to) && to.side === from.side ? to : undefined
}

type Statement = { readonly from: SimNode; readonly to: SimNode; readonly act: () => Promise<void> }

/** A statement: it carries session and number; one of an earlier start, or after a later one, is refused. */
async function stateTo(cluster: Cluster, { from, to, act }: Statement): Promise<void> {
  const number = ++from.statement
  const { session } = to
  const deliver = async () => {
    checkMember(cluster, from, to)
    if (session !== to.session || number <= (to.heardFrom.get(from.id) ?? 0))
      throw new GuardianRefusal('not-signed', 'an old statement')
    to.heardFrom.set(from.id, number)
    await act()
  }
  if (cluster.random.chance(cluster.loss)) {
    const atMs = cluster.nowMs + cluster.random.int(30 * minuteMs)
    const late = { atMs, owner: from.id, deliver: () => deliver().catch(() => undefined) }
    cluster.late = [...cluster.late, late]
    throw new Error('it does not answer in time')
  }
  lose(cluster)
  await deliver()
  lose(cluster)
}

function lose({ random, loss }: Cluster): void {
  if (random.chance(loss)) throw new Error('the message was lost')
}

/** What was delayed comes, if only now. */
export async function deliverLate(cluster: Cluster): Promise<void> {
  const due = cluster.late.filter(one => one.atMs <= cluster.nowMs)
  if (due.length === 0) return
  cluster.late = cluster.late.filter(one => one.atMs > cluster.nowMs)
  for (const { owner, deliver } of due) {
    await deliver()
    cluster.touched.add(owner)
  }
}
