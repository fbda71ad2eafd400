import { randomBytes } from 'node:crypto'
import { base64url, formatTime, time } from '../../../protocol/fields.ts'
import type { Database } from './database.ts'
import { dayMs, later } from './times.ts'

export type Nonces = {
  /**
   * True for one caller, once. To be asked last, when a gateway is known to have issued the nonce and the signature over
   * it is right: so strangers leave no rows. `expires` is when gateways stop to take it. Throws ZodError for no nonce.
   */
  readonly use: (nonce: string, expires: string, now: Date) => Promise<boolean>
}

const form = base64url({ max: 64 })

/** The nonces of sign-ins that were used. */
export function noncesOf(database: Database): Nonces {
  return { use: (nonce, expires, now) => use(database, { nonce, expires }, now) }
}

/**
 * The claim is of this call alone: who comes again with it, because an answer was lost, has the nonce; everybody else
 * comes too late. What ended a day ago is removed: by then no gateway's clock takes it for good.
 */
async function use(
  database: Database,
  of: { readonly nonce: string; readonly expires: string },
  now: Date,
): Promise<boolean> {
  const nonce = form.parse(of.nonce)
  const expires = time.parse(of.expires)
  if (expires <= formatTime(now)) return false
  const statements = [
    [
      `INSERT INTO nonces (nonce, claim, expires) VALUES (:nonce, :claim, :expires)
       ON CONFLICT (nonce) DO UPDATE SET claim = excluded.claim WHERE claim = excluded.claim`,
      { nonce, claim: randomBytes(16).toString('hex'), expires },
    ],
    ['DELETE FROM nonces WHERE expires <= :past', { past: later(now, -dayMs) }],
  ] as const
  const [inserted] = await database.execute(statements, { repeatable: true })
  return inserted?.rowsAffected === 1
}
