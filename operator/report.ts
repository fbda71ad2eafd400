import { formatTime } from '../protocol/fields.ts'
import type { Status } from '../protocol/status.ts'
import { Failure, printable } from './failure.ts'
import { askMembers } from './members.ts'
import type { ListedNode } from './members.ts'
import { askStatus } from './owner-order.ts'
import { byGateway } from './reach.ts'
import { epochNumber, holdersText } from './share-text.ts'
import { saveSeen } from './seen.ts'
import type { Seen } from './seen.ts'
import { signedIn } from './sign-in.ts'
import type { Visitor } from './sign-in.ts'
import { table } from './table.ts'
import type { World } from './world.ts'

/** A node in a report: what it said, or why it said nothing. */
export type Row = ListedNode & {
  readonly status?: Status
  readonly trouble?: string
  /** When it last answered a report of this machine. */
  readonly lastSeen?: string | undefined
}

/**
 * Asks all nodes of a cluster at once, and notes who was seen. One that does not answer is a row; throws where the
 * gateway does not.
 */
export async function makeReport(visitor: Visitor, seen: Seen): Promise<readonly Row[]> {
  const rows = await askAll(visitor, seen)
  const listed = new Set(rows.map(row => row.nodeId))
  for (const id of seen.keys()) if (!listed.has(id)) seen.delete(id)
  await saveSeen(visitor, seen)
  return rows
}

function askAll(visitor: Visitor, seen: Seen): Promise<readonly Row[]> {
  const { environment, world } = visitor
  return signedIn(visitor, async token => {
    const nodes = await patiently(world, () => askMembers(world, { environment, token }))
    return inParallel(nodes, async node => {
      const reached = byGateway(environment, token, { query: { node_id: node.nodeId } })
      try {
        const status = await patiently(world, () => askStatus(world, reached))
        seen.set(node.nodeId, formatTime(world.now()))
        return { ...node, status, lastSeen: seen.get(node.nodeId) }
      } catch (error) {
        // The gateway does not take the token any more: that is not the node's trouble.
        if (error instanceof Failure && error.status === 401) throw error
        return { ...node, trouble: troubleOf(error), lastSeen: seen.get(node.nodeId) }
      }
    })
  })
}

/** True when all nodes said that they are ready. */
export function isAllReady(rows: readonly Row[]): boolean {
  return rows.length > 0 && rows.every(({ status }) => status?.state === 'ready')
}

const headings = [
  'node',
  'address',
  'state',
  'version',
  'slot',
  'services',
  'epoch',
  'shares',
  'last seen',
] as const

/** For people: a line a node, then a line for each thing that somebody has to do. */
export function describeReport(rows: readonly Row[]): string {
  return printable([table(headings, rows.map(cells)), ...rows.flatMap(troubles)].join('\n'))
}

/** What a node waits for, and what of its secret a person has to mend. */
function troubles({ nodeId, status }: Row): readonly string[] {
  const { waitingFor, shares } = status ?? {}
  const waiting = waitingFor === undefined ? [] : [`waiting for ${waitingFor}`]
  return [...waiting, ...(shares?.trouble ?? [])].map(line => `${nodeId}: ${line}`)
}

const unknown = '-'

function cells({ nodeId, address, status, trouble = '', lastSeen = unknown }: Row): readonly string[] {
  if (status === undefined)
    return [nodeId, address, trouble, unknown, unknown, unknown, unknown, unknown, lastSeen]
  const { state, version, slot, services, shares } = status
  const all = Object.values(services)
  const ready = all.filter(one => one.state === 'ready').length
  return [
    nodeId,
    address,
    state,
    version,
    slot,
    `${ready}/${all.length}`,
    (shares && epochNumber(shares)) ?? unknown,
    shares === undefined ? unknown : holdersText(shares),
    lastSeen,
  ]
}

const troubleCharactersMax = 40

function troubleOf(error: unknown): string {
  const why = error instanceof Error ? error.message.replace(/^The [^:]*: /, '') : 'unknown'
  return why.slice(0, troubleCharactersMax)
}

const triesMax = 60
const pauseMs = 1500

/** A gateway slows down who asks for many nodes at once: what it refuses for that reason is asked again. */
async function patiently<T>(world: World, ask: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1)
    try {
      return await ask()
    } catch (error) {
      const isTooFast = error instanceof Failure && error.status === 429
      if (!isTooFast || tried === triesMax) throw error
      await new Promise<void>(resolve => {
        world.later(pauseMs, resolve)
      })
    }
}

// A gateway takes sixteen calls of an operator at the same time.
const atOnce = 8

async function inParallel<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<readonly R[]> {
  const results = new Map<number, R>()
  const rest = [...all.entries()]
  const take = async (): Promise<void> => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift())
      results.set(next[0], await work(next[1]))
  }
  await Promise.all(Array.from({ length: atOnce }, take))
  return [...results.entries()].toSorted(([a], [b]) => a - b).map(([, result]) => result)
}
