import * as z from 'zod'
import { formatTime, time } from '../../../protocol/fields.ts'
import { type Address, addressSchema } from '../../../protocol/wallet.ts'
import { type Database, decide, readRows } from './database.ts'

export type Operators = {
  /** Notes that a wallet signed in or asked for something. An earlier moment changes nothing. */
  readonly seen: (operator: Address, now: Date) => Promise<void>
  /** When each was seen last, the latest first, at most 256. */
  readonly list: () => Promise<readonly { readonly operator: Address; readonly lastSeen: string }[]>
}

/** Who used the gateways and when; who may is told by the members' records. */
export function operatorsOf(database: Database): Operators {
  return {
    seen: async (operator, now) => {
      await decide(database, [
        `INSERT INTO operators (address, last_seen) VALUES (:operator, :now)
         ON CONFLICT (address) DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)`,
        { operator: addressSchema.parse(operator), now: formatTime(now) },
      ])
    },
    list: async () => {
      const sql = 'SELECT address, last_seen FROM operators ORDER BY last_seen DESC, address LIMIT 256'
      const rows = await readRows(database, [sql, {}], rowSchema)
      return rows.map(row => ({ operator: row.address, lastSeen: row.last_seen }))
    },
  }
}

const rowSchema = z.object({ address: addressSchema, last_seen: time })
