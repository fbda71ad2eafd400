import { GuardianRefusal, type Guardians } from '../../../agent/shares/world.ts'
import { type EpochId, isSameEpoch } from '../../../protocol/shares/epoch.ts'

/** A share as a guardian keeps it; never altered in place. */
export type Stored = { readonly epoch: EpochId; readonly share: Buffer }

/** What a guardian keeps, by owner. */
export type Store = Map<string, readonly Stored[]>

/** A guardian as the owner of shares reaches it: here the first argument is the owner. */
export type Guardian = Guardians

/** One that does what protocol/shares/guardian.ts says: a deposit leaves two epochs at most, `keep` erases the others. */
export function guardianOn(store: Store): Guardian {
  const held = (owner: string) => store.get(owner) ?? []
  return {
    deposit: async (owner, { epoch: { number, id }, share, keep }) => {
      if (keep.length > 1) throw new RangeError('a deposit keeps one other epoch at most')
      const others = held(owner).filter(
        one => isAmong(one.epoch, keep) && !isSameEpoch(one.epoch, { number, id }),
      )
      store.set(owner, [...others, { epoch: { number, id }, share: Buffer.from(share) }])
    },
    release: async (owner, epoch) => {
      const found = held(owner).find(one => isSameEpoch(one.epoch, epoch))
      if (found === undefined) throw new GuardianRefusal('no-share', 'it holds no share of this epoch')
      return Buffer.from(found.share)
    },
    keep: async (owner, epochs) => {
      if (epochs.length > 2) throw new RangeError('two epochs are kept at most')
      const left = held(owner).filter(one => isAmong(one.epoch, epochs))
      if (left.length > 0) store.set(owner, left)
      else store.delete(owner)
    },
  }
}

function isAmong(epoch: EpochId, epochs: readonly EpochId[]): boolean {
  return epochs.some(one => isSameEpoch(one, epoch))
}
