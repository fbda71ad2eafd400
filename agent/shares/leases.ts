import { type EpochId, isSameEpoch } from '../../protocol/shares/epoch.ts'
import { epochsOf } from '../../protocol/shares/opening.ts'
import { waitAtMost } from '../system/abort.ts'
import type { GuardianClient } from './guardian-client.ts'
import type { ShareWorld } from './world.ts'

/** What holders of shares said that they hold: too little, or more than the node names. */
export type Held = { readonly lacking: readonly string[]; readonly overfull: readonly string[] }

type Saying = Pick<ShareWorld, 'record'>

/** A lease is good for 60 s at every guardian: one that is slow must not have it end at the others. */
const patienceFallbackMs = 20_000

/**
 * Tells all holders of shares that this node lives, each time it is called, and hears what they hold. Who has not
 * answered for the last time yet is not told once more.
 */
export function leases(
  world: Saying,
  guardians: Pick<GuardianClient, 'say'>,
  patienceMs = patienceFallbackMs,
): () => Promise<Held> {
  const told = new Set<string>()
  return async () => {
    const held = { lacking: [] as string[], overfull: [] as string[] }
    const saying = holdersOf(world).filter(holder => !told.has(holder))
    const all = saying.map(async holder => {
      told.add(holder)
      const holds = await guardians.say(holder, 'lease').catch(() => undefined)
      told.delete(holder)
      if (holds !== undefined) judge(world, { holder, holds }, held)
    })
    await waitAtMost(Promise.all(all), patienceMs)
    return { lacking: [...held.lacking], overfull: [...held.overfull] }
  }
}

/** Who has shares of this node, as its record says. */
export function holdersOf({ record }: Saying): readonly string[] {
  const all = epochsOf(record().openings).flatMap(epoch => epoch.holders.map(one => one.node))
  return [...new Set(all)]
}

type Answer = { readonly holder: string; readonly holds: readonly EpochId[] }

function judge(
  { record }: Saying,
  { holder, holds }: Answer,
  held: { readonly lacking: string[]; readonly overfull: string[] },
): void {
  const wanted = epochsOf(record().openings)
  const ofHolder = wanted.filter(epoch => epoch.holders.some(one => one.node === holder))
  if (ofHolder.some(epoch => !includes(holds, epoch))) held.lacking.push(holder)
  if (holds.some(epoch => !includes(wanted, epoch))) held.overfull.push(holder)
}

function includes(epochs: readonly EpochId[], epoch: EpochId): boolean {
  return epochs.some(one => isSameEpoch(one, epoch))
}
