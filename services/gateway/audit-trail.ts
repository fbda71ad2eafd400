import type { AuditEntry } from '../../protocol/cluster/audit.ts'
import { formatTime } from '../../protocol/fields.ts'
import type { Visit } from '../../http/server.ts'
import type { Registry } from './registry/registry.ts'
import { requestIdOf } from './request-log.ts'

export type AuditWith = {
  readonly registry: Pick<Registry, 'audit'>
  readonly now: () => Date
  /** Hears of an entry that could not be stored; what it tells of has happened all the same. */
  readonly report: (error: unknown) => void
}

export type AuditFacts = Pick<AuditEntry, 'what' | 'outcome'> & Partial<Pick<AuditEntry, 'node' | 'who'>>

/** Notes something of a visit; never rejects. */
export type Note = (visit: Visit, facts: AuditFacts) => Promise<void>

/** Notes what somebody asked for, and what came of it. Never rejects. */
export async function note(
  { registry, now, report }: AuditWith,
  visit: Visit,
  facts: AuditFacts,
): Promise<void> {
  const { who = 'anybody' } = visit
  const requestId = requestIdOf(visit) ?? 'none'
  await registry.audit.append({ at: formatTime(now()), who, requestId, ...facts }).catch((cause: unknown) => {
    report(new Error('Cannot store audit entry', { cause }))
  })
}
