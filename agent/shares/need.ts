import type { NodeRecord } from '../../protocol/record.ts'
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

const agedMs = 30 * 24 * 3_600_000

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
  const why = whyAnew(current, plan, sight)
  const urgent = current.epoch.holders.some(one => sight.leaving?.includes(one.node) === true)
  return why === undefined ? { kind: 'none' } : { kind: 'share', why, plan, urgent }
}

function whyAnew(
  { epoch }: Extract<Opening, { kind: 'shares' }>,
  plan: SharePlan,
  { lacking, now }: Sight,
): string | undefined {
  const holders = epoch.holders.map(one => one.node)
  const come = plan.guardians.filter(one => !holders.includes(one))
  const gone = holders.filter(one => !plan.guardians.includes(one))
  if (come.length > 0 || gone.length > 0)
    return `guardians have changed: ${[...come.map(one => `+${one}`), ...gone.map(one => `-${one}`)].join(' ')}`
  if (plan.threshold !== epoch.threshold) return `${plan.threshold} shares are to open it`
  const without = lacking.filter(one => holders.includes(one))
  if (without.length > 0) return `${without.join(', ')} has no share`
  return now.getTime() - Date.parse(epoch.made) > agedMs ? 'the shares are 30 days old' : undefined
}
