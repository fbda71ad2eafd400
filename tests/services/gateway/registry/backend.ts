import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Database } from '../../../../services/gateway/registry/database.ts'
import { migrate } from '../../../../services/gateway/registry/schema.ts'
import { openSqlite } from '../../../../services/gateway/registry/sqlite.ts'

/** Two gateways' handles on one empty database. */
export type Pair = readonly [Database, Database]

/** What the suite is run against. */
export type Backend = {
  readonly name: string
  readonly open: (t: Test) => Promise<Pair>
}

/** In memory there is one handle, which both gateways use. */
export const memory: Backend = {
  name: 'SQLite in memory',
  open: async t => {
    const database = await openSqlite(':memory:')
    t.teardown(() => database.close())
    return [database, database]
  },
}

export const file: Backend = {
  name: 'SQLite in a file',
  open: async t => {
    const path = join(t.testdir({}), 'registry.db')
    const pair = [await openSqlite(path), await openSqlite(path)] as const
    t.teardown(() => Promise.all(pair.map(one => one.close())))
    return pair
  },
}

export const now = new Date('2026-11-21T08:00:00Z')
export const after = (minutes: number) => new Date(now.getTime() + minutes * 60_000)

/** A test of the suite: with both handles on an empty registry. */
export function row(backend: Backend, name: string, act: (t: Test, pair: Pair) => Promise<unknown>): void {
  t.test(`${backend.name}: ${name}`, async t => {
    const pair = await backend.open(t)
    await migrate(pair[0], now)
    await act(t, pair)
  })
}

/** The same, before there are any tables. */
export function bareRow(
  backend: Backend,
  name: string,
  act: (t: Test, pair: Pair) => Promise<unknown>,
): void {
  t.test(`${backend.name}: ${name}`, async t => act(t, await backend.open(t)))
}

/** 64 hex digits that are the hash of something. */
export const hash = (seed: number) => seed.toString(16).padStart(64, '0')

export const many = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at))

/** How often each answer came. */
export function tally(answers: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    [...new Set(answers)].toSorted().map(one => [one, answers.filter(other => other === one).length]),
  )
}
