import { createHash } from 'node:crypto'
import type { NodeRecord } from '../../protocol/record.ts'
import { type EpochId, epochName } from '../../protocol/shares/epoch.ts'
import type { Opening } from '../../protocol/shares/opening.ts'
import { nextMode, planShares, type SharePlan } from '../../protocol/shares/plan.ts'

/** What a node sees of its cluster when it asks itself whether its secret lies with the right guardians. */
export type Sight = {
  /** All members by node id, this node among them. */
  readonly members: readonly string[]
  /** Guardians of the present epoch that answered, and do not have their share. */
  readonly lacking: readonly string[]
  /** Who has left, and waits until nobody needs it any more. */
  readonly leaving?: readonly string[]
  readonly now: Date
}

export type Need =
  | { readonly kind: 'share'; readonly why: string; readonly plan: SharePlan; readonly urgent: boolean }
  /** Too few are left: only the owner may have the secret back. */
  | { readonly kind: 'ask-owner'; readonly guardians: number }
  | { readonly kind: 'none' }

const dayMs = 24 * 3_600_000
const lifetime = { days: 30, spread: 0.1 } as const

/**
 * Whether this node should give a new secret to guardians, and why. `urgent`: until then the owner has to be there, or
 * a guardian waits for it that leaves.
 */
export function needOf({ nodeId, openings }: Pick<NodeRecord, 'nodeId' | 'openings'>, sight: Sight): Need {
  const plan = planShares(nodeId, sight.members)
  const { current } = openings
  const next = nextMode(current.kind === 'escrow' ? 'escrow' : 'shamir', plan.guardians.length)
  if (next === 'ask-owner') return { kind: 'ask-owner', guardians: plan.guardians.length }
  if (next === 'escrow') return { kind: 'none' }
  if (current.kind === 'escrow')
    return { kind: 'share', why: `${plan.guardians.length} guardians are there`, plan, urgent: true }
  const why = whyAnew(nodeId, current, { plan, sight })
  const urgent = current.epoch.holders.some(one => sight.leaving?.includes(one.node) === true)
  return why === undefined ? { kind: 'none' } : { kind: 'share', why, plan, urgent }
}

/**
 * After how many milliseconds an epoch is old: 30 days, and up to three more or less. Nodes that shared in the same
 * minute do not all share anew in one, and a restart does not change it.
 */
export function lifetimeMs(nodeId: string, epoch: EpochId): number {
  const text = `orama-share-lifetime-v1|${nodeId}|${epochName(epoch)}`
  const part = createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
  return Math.floor(lifetime.days * dayMs * (1 + lifetime.spread * (2 * part - 1)))
}

type Outlook = { readonly plan: SharePlan; readonly sight: Sight }

function whyAnew(
  nodeId: string,
  { epoch }: Extract<Opening, { kind: 'shares' }>,
  { plan, sight: { lacking, now } }: Outlook,
): string | undefined {
  const holders = epoch.holders.map(one => one.node)
  const come = plan.guardians.filter(one => !holders.includes(one))
  const gone = holders.filter(one => !plan.guardians.includes(one))
  if (come.length > 0 || gone.length > 0)
    return `guardians have changed: ${[...come.map(one => `+${one}`), ...gone.map(one => `-${one}`)].join(' ')}`
  if (plan.threshold !== epoch.threshold) return `${plan.threshold} shares are to open it`
  const without = lacking.filter(one => holders.includes(one))
  if (without.length > 0) return `${without.join(', ')} has no share`
  return whyOld(nodeId, epoch, now)
}

/** Why an epoch is old, if it is. One of a clock that was far ahead would else not be until that time comes. */
export function whyOld(
  nodeId: string,
  epoch: EpochId & { readonly made: string },
  now: Date,
): string | undefined {
  const ageMs = now.getTime() - Date.parse(epoch.made)
  if (ageMs < -dayMs) return `the shares were made at ${epoch.made}, when the clock was ahead`
  return ageMs > lifetimeMs(nodeId, epoch)
    ? `the shares are ${Math.floor(ageMs / dayMs)} days old`
    : undefined
}
