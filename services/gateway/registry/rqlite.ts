import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { secretBuffer } from '../../../protocol/secret.ts'
import {
  checkStatement,
  type Database,
  RegistryAwayError,
  type Statement,
  UnknownOutcomeError,
} from './database.ts'
import { type Answer, ask as askNode, type Question, type RqliteNode } from './rqlite-http.ts'
import { readChanges, readRowsOf } from './rqlite-replies.ts'

export type RqliteSite = {
  /** Where nodes of the cluster answer, the nearest first: each serves any request, and rqlite passes it on. */
  readonly nodes: readonly [RqliteNode, ...RqliteNode[]]
  /** Of user `orama`, as text in bytes. Copied; the caller wipes its own. */
  readonly password: Uint8Array
  /** How long a call may take in all while nodes are away or elect a leader: 15 s. */
  readonly patienceMs?: number
}

/**
 * The registry of a cluster. Nodes are tried in turn until one has carried the request out. A write that was perhaps
 * carried out is repeated only where its caller says that it may be; otherwise: UnknownOutcomeError.
 */
export function openRqlite({ nodes, password, patienceMs = 15_000 }: RqliteSite): Database {
  const secret = secretBuffer(password.length)
  secret.set(password)
  const ask = asker({ nodes, secret, patienceMs })
  return {
    query: async statement => {
      checkStatement(statement)
      // Linearizable: the leader asks a majority whether it still is one, and waits until it has applied what it
      // acknowledged. `weak` can miss the last writes after a leader has changed or started; `strong` gives no more,
      // and writes each read into the log of every node.
      const path = '/db/query?level=linearizable'
      return readRowsOf(await ask({ path, ...posting([statement]), repeatable: true, writes: false }))
    },
    execute: async (statements, { repeatable } = { repeatable: false }) => {
      statements.forEach(checkStatement)
      const path = '/db/execute?transaction'
      const reply = await ask({ path, ...posting(statements), repeatable, writes: true })
      return readChanges(reply, statements.length)
    },
    expel: async nodes => {
      if (nodes.length === 0) return
      const path = '/status?key=store.nodes'
      const present = nodesSchema.parse(await ask({ method: 'GET', path, repeatable: true, writes: false }))
      for (const { id } of present.filter(one => nodes.includes(one.id))) {
        const body = JSON.stringify({ id })
        await ask({ method: 'DELETE', path: '/remove', body, repeatable: true, writes: true })
      }
    },
    close: () => {
      secret.fill(0)
      return Promise.resolve()
    },
  }
}

const nodesSchema = z.array(z.looseObject({ id: z.string() }))

function posting(statements: readonly Statement[]) {
  return { method: 'POST', body: JSON.stringify(statements) } as const
}

type Call = Pick<Question, 'method' | 'path' | 'body'> & {
  readonly repeatable: boolean
  readonly writes: boolean
}

// An election takes some seconds; a round through the nodes every now and then costs them little.
const pauseMs = 250
// rqlite itself gives a write up after 10 s.
const attemptMs = 12_000

function asker(
  site: Omit<RqliteSite, 'password'> & { readonly secret: Buffer; readonly patienceMs: number },
) {
  const { nodes, secret, patienceMs } = site
  let first = 0
  return async (call: Call): Promise<unknown> => {
    const endMs = performance.now() + patienceMs
    let doubt = false
    for (let turn = 0; ; turn++) {
      const at = (first + turn) % nodes.length
      const limitMs = Math.min(attemptMs, endMs - performance.now())
      const { method, path, body } = call
      const answer: Answer = await askNode({
        node: nodes[at] ?? nodes[0],
        method,
        path,
        body,
        secret,
        limitMs,
      })
      if (answer.kind === 'done') {
        // The next call begins with the node that answered.
        first = at
        return answer.reply
      }
      if (answer.kind === 'refused') throw new Error(`Cannot use rqlite: ${answer.why}`)
      doubt ||= call.writes && answer.kind === 'unknown'
      if ((turn + 1) % nodes.length === 0) await sleep(pauseMs)
      if ((doubt && !call.repeatable) || performance.now() >= endMs) throw givenUp(doubt, answer.why)
    }
  }
}

function givenUp(doubt: boolean, why: string): Error {
  if (doubt) return new UnknownOutcomeError(`Cannot tell whether rqlite did what was asked: ${why}`)
  return new RegistryAwayError(`Cannot reach rqlite: ${why}`)
}
