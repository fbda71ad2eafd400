import type { Admission } from '../../protocol/cluster/admission.ts'
import { HttpError } from '../../http/error.ts'
import type { SealedJoin } from './configuration.ts'

/** A node that may join, until its grant ends. */
export type Admitted = Pick<Admission, 'hello' | 'grant' | 'address'> &
  Pick<SealedJoin, 'openReply'> & {
    /** Whose wallet signed the grant. */
    readonly owner: string
    readonly endsMs: number
  }

export type Admissions = {
  /** By the hash of its hello. */
  readonly find: (hello: string) => Admitted | undefined
  /** The same hello again takes the place of its entry. Throws HttpError 429 where too many wait. */
  readonly keep: (hello: string, admitted: Admitted) => void
}

export const admissionsMax = 32

/** Who was admitted and has not answered, or may answer once more. In memory: a restart forgets them. */
export function holdAdmissions(nowMs: () => number): Admissions {
  const all = new Map<string, Admitted>()
  const forgetOver = () => {
    for (const [hello, { endsMs }] of all) if (endsMs <= nowMs()) all.delete(hello)
  }
  return {
    find: hello => {
      forgetOver()
      return all.get(hello)
    },
    keep: (hello, admitted) => {
      forgetOver()
      if (!all.has(hello) && all.size >= admissionsMax)
        throw new HttpError(429, `${admissionsMax} nodes are joining`, 'wait until a grant of them is over')
      all.set(hello, admitted)
    },
  }
}
