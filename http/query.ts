import type { ZodType } from 'zod'
import { unfit } from './body.ts'
import { HttpError } from './error.ts'

/** The query of a URL as a schema wants it, each name once. Refuses with 400, never naming a value. */
export function parseQuery<T>({ searchParams }: URL, schema: ZodType<T>): T {
  const names = [...searchParams.keys()]
  if (new Set(names).size !== names.length)
    throw new HttpError(400, 'the query does not fit: a name comes twice', 'give each name once')
  const result = schema.safeParse(Object.fromEntries(searchParams))
  if (result.success) return result.data
  throw unfit('query', result.error)
}
