import { type EpochId, isSameEpoch } from '../../protocol/shares/epoch.ts'
import { epochsOf } from '../../protocol/shares/opening.ts'
import type { SharePlan } from '../../protocol/shares/plan.ts'
import { describe } from '../system/log.ts'
import { shareAnew, sweep } from './change.ts'
import type { GuardianClient } from './guardian-client.ts'
import { needOf } from './need.ts'
import type { ShareWorld } from './world.ts'

export type CareOf = {
  readonly world: ShareWorld
  readonly guardians: Pick<GuardianClient, 'say'>
  /** All members by node id, this node among them. */
  readonly members: () => readonly string[]
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly nowMs: () => number
  /** 0 ≤ x < 1. */
  readonly random: () => number
  /** How long changes of members are gathered before shares are made anew. */
  readonly gatherMs: number
}

export type Care = {
  /** One round, every 15 s: leases, and what follows from what the guardians answer. Never rejects. */
  readonly round: () => Promise<void>
  /** Says goodbye to all guardians: whoever comes next need not wait for the lease to end. */
  readonly goodbye: () => Promise<void>
  /** What only the owner can mend; undefined for nothing. */
  readonly trouble: () => string | undefined
}

/** The first sharing waits only until news of several members have come. */
const urgentMs = 10_000
const failedMinMs = 30_000
const failedMaxMs = 10 * 60_000
const sweepMs = 3_600_000

/** Looks after the secret of an unlocked node: that its guardians know it lives, and that they are the right ones. */
export function careForShares(of: CareOf): Care {
  const { world } = of
  const due: { want?: string | undefined; atMs: number } = { atMs: 0 }
  let failures = 0
  let sharing: Promise<void> | undefined
  let sweptMs: number | undefined
  let trouble: string | undefined
  const share = async (plan: SharePlan) => {
    try {
      await shareAnew(world, plan)
      await sweep(
        world,
        of.members().filter(one => one !== world.record().nodeId),
      )
      failures = 0
      due.want = undefined
    } catch (cause) {
      world.log(`shares: ${describe(cause)}`)
      failures += 1
      due.atMs = of.nowMs() + Math.min(failedMinMs * 2 ** (failures - 1), failedMaxMs)
    } finally {
      sharing = undefined
    }
  }
  const decide = (lacking: readonly string[]) => {
    const need = needOf(world.record(), { members: of.members(), lacking, now: world.now() })
    trouble =
      need.kind === 'ask-owner'
        ? `only ${need.guardians} guardians are left: its owner has to take the secret back`
        : undefined
    if (need.kind !== 'share') {
      due.want = undefined
      return
    }
    if (due.want === undefined) {
      const gatherMs = need.urgent ? urgentMs : of.gatherMs
      due.atMs = of.nowMs() + gatherMs * (1 + of.random() / 10)
      world.log(`shares: to be made anew: ${need.why}`)
    }
    due.want = need.why
    if (of.nowMs() >= due.atMs && sharing === undefined) sharing = share(need.plan)
  }
  return {
    round: async () => {
      const { lacking, overfull } = await sayLease(of)
      if (sharing !== undefined) return
      const isSweep = sweptMs === undefined || of.nowMs() - sweptMs >= sweepMs
      if (isSweep) sweptMs = of.nowMs()
      const own = world.record().nodeId
      await sweep(world, isSweep ? of.members().filter(one => one !== own) : overfull)
      decide(lacking)
    },
    goodbye: async () => {
      await Promise.allSettled(holdersOf(world).map(holder => of.guardians.say(holder, 'goodbye')))
    },
    trouble: () => trouble,
  }
}

/** Tells all holders that this node lives, and hears what they hold: too little, or more than it names. */
async function sayLease({ world, guardians }: CareOf) {
  const lacking: string[] = []
  const overfull: string[] = []
  const say = async (holder: string) => {
    const holds = await guardians.say(holder, 'lease').catch(() => undefined)
    if (holds === undefined) return
    const wanted = epochsOf(world.record().openings)
    const ofHolder = wanted.filter(epoch => epoch.holders.some(one => one.node === holder))
    if (ofHolder.some(epoch => !includes(holds, epoch))) lacking.push(holder)
    if (holds.some(epoch => !includes(wanted, epoch))) overfull.push(holder)
  }
  await Promise.all(holdersOf(world).map(say))
  return { lacking, overfull }
}

function holdersOf({ record }: ShareWorld): readonly string[] {
  const all = epochsOf(record().openings).flatMap(epoch => epoch.holders.map(one => one.node))
  return [...new Set(all)]
}

function includes(epochs: readonly EpochId[], epoch: EpochId): boolean {
  return epochs.some(one => isSameEpoch(one, epoch))
}
