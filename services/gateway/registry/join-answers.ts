import * as z from 'zod'
import { decrypt, encrypt } from '../../../protocol/aead.ts'
import { canonicalBytes } from '../../../protocol/canonical.ts'
import { type JoinAnswer, joinAnswerSchema } from '../../../protocol/cluster/joining.ts'
import { base64url, fromBase64url, sha256Hex, toBase64url } from '../../../protocol/fields.ts'
import { type Database, decide, readRows } from './database.ts'

export type JoinAnswers = {
  /** Stores how a node that joined answered; what was stored for its hello before stays. */
  readonly put: (hello: string, answer: JoinAnswer) => Promise<void>
  /** Undefined for a hello whose node has not answered. Throws RangeError for what was altered. */
  readonly find: (hello: string) => Promise<JoinAnswer | undefined>
}

/** A member record and an acknowledgement have up to 20 KB. */
const boxBytesMax = 48 * 1024

/**
 * What nodes answered when they joined, so that who asks again is told the same, by any gateway. It holds the agent's
 * token: encrypted under a key of 32 bytes that stays the caller's, for the hash of one hello.
 */
export function joinAnswersOf(database: Database, key: Uint8Array): JoinAnswers {
  return {
    put: async (hello, answer) => {
      const plain = canonicalBytes(joinAnswerSchema.parse(answer))
      const box = toBase64url(encrypt(key, contextOf(hello), plain))
      plain.fill(0)
      await decide(database, [
        'INSERT INTO join_answers (hello, box) VALUES (:hello, :box) ON CONFLICT DO NOTHING',
        { hello: sha256Hex.parse(hello), box },
      ])
    },
    find: async hello => {
      const sql = 'SELECT box FROM join_answers WHERE hello = :hello'
      const [row] = await readRows(database, [sql, { hello: sha256Hex.parse(hello) }], rowSchema)
      return row === undefined ? undefined : opened(decrypt(key, contextOf(hello), fromBase64url(row.box)))
    },
  }
}

const rowSchema = z.object({ box: base64url({ max: boxBytesMax }) })

function opened(plain: Buffer): JoinAnswer {
  try {
    return joinAnswerSchema.parse(JSON.parse(plain.toString()))
  } finally {
    plain.fill(0)
  }
}

function contextOf(hello: string): string {
  return `orama-join-answer-v1|${hello}`
}
