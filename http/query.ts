import type { ZodType } from 'zod'
import { firstFault } from './body.ts'
import { HttpError } from './error.ts'

/** The values behind `?` as a schema wants them, each name once. Refuses with 400, never naming a value. */
export function parseQuery<T>(query: URLSearchParams, schema: ZodType<T>): T {
  const names = [...query.keys()]
  if (new Set(names).size !== names.length)
    throw new HttpError(400, 'the query does not fit: a name comes twice', 'give each name once')
  const result = schema.safeParse(Object.fromEntries(query))
  if (result.success) return result.data
  throw new HttpError(
    400,
    `the query does not fit: ${firstFault(result.error)}`,
    'docs/ has the fields of each route',
  )
}
