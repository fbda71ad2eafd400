import type { Answers } from './collect.ts'
import type { GuardianClient } from './guardian-client.ts'
import { GuardianRefusal } from './world.ts'

/** Whether a guardian answered when it was last asked, and since when (Unix milliseconds) that is so. */
export type Contact = { readonly reachable: boolean; readonly sinceMs: number }

/** What a node has seen of its guardians since it started. */
export type Contacts = {
  /** Undefined for one that was not asked yet. */
  readonly of: (guardian: string) => Contact | undefined
  readonly note: (guardian: string, reachable: boolean) => void
  /** Remembers who gave a wrong share, until it gives a good one. */
  readonly judge: (answers: Answers) => void
  readonly isLiar: (guardian: string) => boolean
}

export function newContacts(nowMs: () => number): Contacts {
  const contacts = new Map<string, Contact>()
  const liars = new Set<string>()
  return {
    of: guardian => contacts.get(guardian),
    note: (guardian, reachable) => {
      if (contacts.get(guardian)?.reachable !== reachable)
        contacts.set(guardian, { reachable, sinceMs: nowMs() })
    },
    judge: answers => {
      for (const [guardian, { kind }] of answers) {
        if (kind === 'wrong') liars.add(guardian)
        if (kind === 'good') liars.delete(guardian)
      }
    },
    isLiar: guardian => liars.has(guardian),
  }
}

/** The same client, whose every call is noted: a no is an answer as well. */
export function noting(client: GuardianClient, { note }: Contacts): GuardianClient {
  const noted = async <T>(guardian: string, call: Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      const answer = await call
      note(guardian, true)
      return answer
    } catch (cause) {
      // Who was not waited for any more may be well.
      if (signal?.aborted !== true) note(guardian, cause instanceof GuardianRefusal)
      throw cause
    }
  }
  return {
    say: (guardian, kind) => noted(guardian, client.say(guardian, kind)),
    keep: (guardian, epochs) => noted(guardian, client.keep(guardian, epochs)),
    deposit: (guardian, what) => noted(guardian, client.deposit(guardian, what)),
    release: (guardian, epoch, signal) => noted(guardian, client.release(guardian, epoch, signal), signal),
  }
}
