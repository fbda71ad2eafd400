import type { NodeRecord } from '../../protocol/record.ts'
import type { EpochId } from '../../protocol/shares/epoch.ts'
import type { RefusalReason } from '../../protocol/shares/guardian.ts'
import type { Keyslots } from '../unlock/keyslots.ts'
import type { Answers } from './collect.ts'

/** What giving the disk secret to guardians, and taking it back, needs of the outside. */
export type ShareWorld = {
  /** As the disk has it. */
  readonly record: () => NodeRecord
  /** Stores the record that `edit` makes of the present one, whole or not at all. The data has to be open. */
  readonly change: (edit: (record: NodeRecord) => NodeRecord) => Promise<NodeRecord>
  readonly keyslots: Keyslots
  readonly guardians: Guardians
  /** Writes an escrow of this secret for the owner into the header, in place of the one that is there. Lent. */
  readonly writeEscrow: (secret: Buffer, number: number) => Promise<void>
  /** Takes the escrow out of the header, where there is one. */
  readonly removeEscrow: () => Promise<void>
  /** Hears what guardians answered when they were asked for their shares. */
  readonly heard?: (answers: Answers) => void
  readonly now: () => Date
  readonly log: (line: string) => void
}

/** The guardians of other nodes, by node id. Every call ends within seconds, one way or the other. */
export type Guardians = {
  /** Gives a share, beside which the guardian keeps those of `keep` and no others. Lent: the caller wipes it. */
  readonly deposit: (guardian: string, what: Deposit) => Promise<void>
  /** The share that the guardian holds; the caller wipes it. Rejects with GuardianRefusal where it says no. */
  readonly release: (guardian: string, epoch: EpochId, signal: AbortSignal) => Promise<Buffer>
  /** Has the guardian erase the shares of all other epochs. */
  readonly keep: (guardian: string, epochs: readonly EpochId[]) => Promise<void>
}

export type Deposit = {
  readonly epoch: EpochId
  readonly share: Buffer
  readonly keep: readonly EpochId[]
}

/** A guardian's no, with its reason: asking others, or later, may help. */
export class GuardianRefusal extends Error {
  readonly reason: RefusalReason
  /** Asking sooner is useless. */
  readonly retryS: number | undefined
  constructor(reason: RefusalReason, message: string, retryS?: number) {
    super(message)
    this.name = 'GuardianRefusal'
    this.reason = reason
    this.retryS = retryS
  }
}
