import { moveSecret } from '../../protocol/secret.ts'
import { type EpochId, isSameEpoch } from '../../protocol/shares/epoch.ts'
import { faultsAt, wantedFaults } from '../system/faults.ts'
import { log } from '../system/log.ts'
import type { ShareStore } from './share-store.ts'

/** A constant of the bundle: see agent/system/faults.ts. */
declare const ORAMA_TEST_BUILD: boolean

/** The store as the guardian's program has it: a share may take its time, or never come. */
export type SharesShown = Omit<ShareStore, 'share'> & {
  readonly share: (...of: ShareOf) => Buffer | undefined | Promise<Buffer | undefined>
}

type ShareOf = Parameters<ShareStore['share']>
type Kept = { readonly epoch: EpochId; readonly share: Buffer }
type Lie = { readonly store: ShareStore; readonly first: Kept | undefined; readonly of: ShareOf }
type Meddle = (lie: Lie) => ReturnType<SharesShown['share']>

/** How a guardian lies, by the word of its fault: `wrong@share`. */
const meddles: ReadonlyMap<string, Meddle> = new Map<string, Meddle>([
  ['wrong', ({ store, of }) => flipped(store.share(...of))],
  ['short', ({ store, of }) => cut(store.share(...of))],
  ['old', otherShare],
  ['none', () => undefined],
  ['stall', () => new Promise(() => undefined)],
])

/**
 * The store that gives the guardian's program what a test image was told: a share with its bits flipped (`wrong@share`),
 * cut short (`short`), of another epoch where there was one since the start (`old`), none, or no answer (`stall`). In
 * other images: the store as it is.
 */
export function withShareFaults(store: ShareStore, wanted = wantedFaults()): SharesShown {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return store
  const [what = ''] = faultsAt('share', wanted)
  const meddle = meddles.get(what)
  if (meddle === undefined) return store
  // A guardian drops a share soon after the next has come: this one keeps the first.
  const first = new Map<string, Kept>()
  return {
    ...store,
    put: (node, of) => {
      if (!first.has(node)) first.set(node, heldOf(store, node) ?? { ...of, share: Buffer.from(of.share) })
      return store.put(node, of)
    },
    share: (node, epoch) => {
      log(`fault: ${what}@share of ${node}`)
      return meddle({ store, first: first.get(node), of: [node, epoch] })
    },
  }
}

/** What was held of a node before. */
function heldOf(store: ShareStore, node: string): Kept | undefined {
  const [epoch] = store.holding(node).epochs
  const share = epoch && store.share(node, epoch)
  return share && { epoch, share }
}

/** All but x, which decides whether it is a share at all. */
function flipped(share: Buffer | undefined): Buffer | undefined {
  share?.subarray(0, -1).forEach((byte, at) => (share[at] = byte ^ 0xff))
  return share
}

function cut(share: Buffer | undefined): Buffer | undefined {
  return share && moveSecret(share.subarray(0, Math.floor(share.length / 2)))
}

/** The share that was asked for where there never was another. */
function otherShare({ store, first, of: [node, epoch] }: Lie): Buffer | undefined {
  const other = store.holding(node).epochs.find(one => !isSameEpoch(one, epoch))
  if (other !== undefined) return store.share(node, other)
  if (first === undefined || isSameEpoch(first.epoch, epoch)) return store.share(node, epoch)
  return Buffer.from(first.share)
}
