import type { Opening } from '../../protocol/shares/opening.ts'
import { planShares } from '../../protocol/shares/plan.ts'
import { waitAtMost } from '../system/abort.ts'
import { describe } from '../system/log.ts'
import { escrowAnew, settle, shareAnew, sweep, takeBack, type Use } from './change.ts'
import type { GuardianClient } from './guardian-client.ts'
import { holdersOf, leases } from './leases.ts'
import { type Need, needOf } from './need.ts'
import type { ShareWorld } from './world.ts'

export type CareOf = {
  readonly world: ShareWorld
  readonly guardians: Pick<GuardianClient, 'say'>
  /** All members by node id, this node among them. */
  readonly members: () => readonly string[]
  /** Who leaves, and stays a guardian until it is told that nothing is needed of it any more. */
  readonly leaving?: () => readonly string[]
  /** True where guardians would not give the secret back: then it is not shared anew, since it could not be tried. */
  readonly isBarred?: () => boolean
  /** True while the disk is being given a new key, also where that has stopped: the ways to it stay as they are. */
  readonly isRekeying?: () => boolean
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly nowMs: () => number
  /** 0 ≤ x < 1. */
  readonly random: () => number
  /** How long changes of members are gathered before shares are made anew. */
  readonly gatherMs: number
  /** The way by which the disk was opened. */
  readonly opened: Pick<Opening, 'keyslot'>
}

export type Care = {
  /** One round, every 15 s: leases, and what follows from what the guardians answer. Never rejects. */
  readonly round: () => Promise<void>
  /** Says goodbye to all guardians: whoever comes next need not wait for the lease to end. */
  readonly goodbye: () => Promise<void>
  /** Gives the secret back to the owner. Rejects where another change is under way, or with what went wrong. */
  readonly takeBack: () => Promise<void>
  /**
   * Gives a new secret to whoever has the present one, and lends it: until `use` ends, no other change begins. Rejects
   * where one is under way, or with what went wrong.
   */
  readonly renew: (use: Use) => Promise<void>
  /** Keeps all changes of the secret back until `act` ends. Rejects where one is under way. */
  readonly holdBack: (act: () => Promise<void>) => Promise<void>
  /** What was cut off has not ended yet, or a change is under way. */
  readonly isChanging: () => boolean
  /** What only the owner can mend; undefined for nothing. */
  readonly trouble: () => string | undefined
}

/** The first sharing waits only until news of several members have come. */
const urgentMs = 10_000
const failedMinMs = 30_000
const failedMaxMs = 10 * 60_000
const sweepMs = 3_600_000
/** Who is slow to erase must not have the lease end at the others: it is said again 15 s after a round. */
const sweepPatienceMs = 10_000

/** Looks after the secret of an unlocked node: that its guardians know it lives, and that they are the right ones. */
export function careForShares(of: CareOf): Care {
  const { world } = of
  const sharing = sharer(of)
  const isRekeying = () => of.isRekeying?.() === true
  const sayLeases = leases(of.world, of.guardians)
  let sweptMs: number | undefined
  let trouble: string | undefined
  let settled = false
  return {
    round: async () => {
      // Before anything else is changed: what was cut off has to have come to its end.
      if (!sharing.isUnderWay() && !isRekeying()) settled ||= await isSettled(of)
      const { lacking, overfull } = await sayLeases()
      if (!settled || sharing.isUnderWay()) return
      const isSweep = sweptMs === undefined || of.nowMs() - sweptMs >= sweepMs
      if (isSweep) sweptMs = of.nowMs()
      await waitAtMost(sweep(world, isSweep ? others(of) : overfull), sweepPatienceMs)
      const sight = { members: of.members(), leaving: of.leaving?.() ?? [], lacking, now: world.now() }
      const need = needOf(world.record(), sight)
      const before = trouble
      trouble = need.kind === 'ask-owner' ? troubleOf(need.guardians) : undefined
      logTrouble(world, before, trouble)
      sharing.consider(of.isBarred?.() === true || isRekeying() ? { kind: 'none' } : need)
    },
    goodbye: async () => {
      await Promise.allSettled(holdersOf(world).map(holder => of.guardians.say(holder, 'goodbye')))
    },
    takeBack: async () => {
      if (!settled) throw new Error('Cannot take secret back: what was cut off has not ended yet')
      if (isRekeying()) throw new Error('Cannot take secret back: the disk is being given a new key')
      await sharing.exclusively(() => takeBack(world))
      await sweep(world, others(of))
    },
    renew: async use => {
      if (!settled) throw new Error('Cannot renew secret: what was cut off has not ended yet')
      await sharing.exclusively(() => renew(of, use))
    },
    holdBack: sharing.exclusively,
    isChanging: () => !settled || sharing.isUnderWay(),
    trouble: () => trouble,
  }
}

/** Before the new secret is used, who holds shares of the old one is told to erase them. */
async function renew(of: CareOf, use: Use): Promise<void> {
  const { nodeId, openings } = of.world.record()
  if (openings.current.kind === 'escrow') return escrowAnew(of.world, use)
  await shareAnew(of.world, planShares(nodeId, of.members()), async secret => {
    await sweep(of.world, holding(of))
    await use(secret)
  })
}

function troubleOf(guardians: number): string {
  return `only ${guardians} guardians are left: its owner has to take the secret back`
}

/** When it begins and when it ends: status says it all the while. */
function logTrouble({ log, record }: ShareWorld, before: string | undefined, now: string | undefined): void {
  if (now !== undefined && before === undefined) log(`shares: ${now}`)
  if (now !== undefined || before === undefined) return
  const isTaken = record().openings.current.kind === 'escrow'
  log(`shares: ${isTaken ? 'its owner has the secret' : 'there are guardians enough again'}`)
}

type Sharer = {
  readonly isUnderWay: () => boolean
  /** Does something else that changes the ways to the disk. Rejects while another change is under way. */
  readonly exclusively: (act: () => Promise<void>) => Promise<void>
  /** Begins to share anew when there has been need for long enough. */
  readonly consider: (need: Need) => void
}

type Wanted = Extract<Need, { kind: 'share' }>

/** When to share anew, and whether the need was urgent when that was decided. */
type Due = { readonly ms: number; readonly urgent: boolean }

/** Gathers what there is need for, shares anew, and tries again later and later where that fails. */
function sharer(of: CareOf): Sharer {
  const { world } = of
  let due: Due | undefined
  let failures = 0
  let isUnderWay = false
  const share = async ({ plan, urgent }: Wanted) => {
    isUnderWay = true
    try {
      await shareAnew(world, plan)
      await sweep(world, holding(of))
      failures = 0
      due = undefined
    } catch (cause) {
      world.log(`shares: ${describe(cause)}`)
      failures += 1
      due = { ms: of.nowMs() + Math.min(failedMinMs * 2 ** (failures - 1), failedMaxMs), urgent }
    } finally {
      isUnderWay = false
    }
  }
  return {
    isUnderWay: () => isUnderWay,
    exclusively: async act => {
      if (isUnderWay) throw new Error('Cannot change shares: another change is under way')
      isUnderWay = true
      try {
        await act()
      } finally {
        isUnderWay = false
      }
    },
    consider: need => {
      if (need.kind !== 'share') {
        due = undefined
        return
      }
      const ms = dueMsOf(of, need, due)
      if (ms !== due?.ms) world.log(`shares: to be made anew: ${need.why}`)
      due = { ms, urgent: need.urgent }
      if (of.nowMs() >= ms && !isUnderWay) void share(need)
    },
  }
}

/** Sooner when a need becomes urgent, but once: an urgent try that fails is made again later and later as well. */
function dueMsOf({ nowMs, random, gatherMs }: CareOf, { urgent }: Wanted, due: Due | undefined): number {
  if (due !== undefined && (due.urgent || !urgent)) return due.ms
  const ms = nowMs() + (urgent ? urgentMs : gatherMs) * (1 + random() / 10)
  return Math.min(ms, due?.ms ?? Infinity)
}

/** The others, and those that leave: who may have shares of this node. */
function holding(of: CareOf): readonly string[] {
  return [...others(of), ...(of.leaving?.() ?? [])]
}

function others({ world, members }: CareOf): readonly string[] {
  const own = world.record().nodeId
  return members().filter(one => one !== own)
}

async function isSettled({ world, opened }: CareOf): Promise<boolean> {
  try {
    await settle(world, opened)
    return true
  } catch (cause) {
    world.log(`shares: ${describe(cause)}`)
    return false
  }
}
