import * as z from 'zod'
import { decrypt, encrypt } from '../../../protocol/aead.ts'
import { base64url, fromBase64url, nodeId, toBase64url } from '../../../protocol/fields.ts'
import { lend, moveSecret } from '../../../protocol/secret.ts'
import { type Database, decide, readRows } from './database.ts'

export type NodeTokens = {
  /** Stores the bearer token (32 bytes) of a node's agent in place of the one before; the caller wipes its own. */
  readonly put: (node: string, token: Uint8Array) => Promise<void>
  /** Lends a node's token for one call; undefined where there is none. Throws RangeError for one that was altered. */
  readonly use: <T>(node: string, use: (token: Uint8Array) => T | Promise<T>) => Promise<T | undefined>
  /** Removes those of nodes that are members no more. */
  readonly removeDeparted: () => Promise<void>
}

const tokenBytes = 32
const boxBytes = 12 + tokenBytes + 16

/**
 * The bearer tokens of the agents, each encrypted under a key of 32 bytes that stays the caller's. The node id is
 * authenticated with it, so that no node's token can be put in the place of another's.
 */
export function nodeTokensOf(database: Database, key: Uint8Array): NodeTokens {
  if (key.length !== 32) throw new RangeError(`Cannot use key of tokens: ${key.length} bytes, need 32`)
  return {
    put: (node, token) => put({ database, key }, node, token),
    use: async (node, use) => {
      const box = await find(database, node)
      return box === undefined ? undefined : lend(decrypt(key, contextOf(node), fromBase64url(box)), use)
    },
    removeDeparted: async () => {
      await decide(database, [
        "DELETE FROM node_tokens WHERE node IN (SELECT name FROM records WHERE kind = 'departure')",
        {},
      ])
    },
  }
}

/** Stores a token as its node says it: 64 hex digits. */
export function keepToken(tokens: NodeTokens, node: string, text: string): Promise<void> {
  return lend(moveSecret(Buffer.from(text, 'hex')), token => tokens.put(node, token))
}

async function put(
  { database, key }: { readonly database: Database; readonly key: Uint8Array },
  node: string,
  token: Uint8Array,
): Promise<void> {
  if (token.length !== tokenBytes)
    throw new RangeError(`Cannot store token: ${token.length} bytes, need ${tokenBytes}`)
  // Not to be repeated: the lost one could come after a newer token. The node says its token until it is confirmed.
  await database.execute([
    [
      `INSERT INTO node_tokens (node, box) VALUES (:node, :box)
       ON CONFLICT (node) DO UPDATE SET box = excluded.box`,
      { node: nodeId.parse(node), box: toBase64url(encrypt(key, contextOf(node), token)) },
    ],
  ])
}

async function find(database: Database, node: string): Promise<string | undefined> {
  const sql = 'SELECT box FROM node_tokens WHERE node = :node'
  const [row] = await readRows(database, [sql, { node: nodeId.parse(node) }], rowSchema)
  return row?.box
}

const rowSchema = z.object({ box: base64url({ length: boxBytes }) })

function contextOf(node: string): string {
  return `orama-node-token-v1|${node}`
}
