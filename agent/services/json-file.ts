import type * as z from 'zod'

/** Parses a file of a service's folder. Throws SyntaxError that names the file. */
export function parseJsonFile(json: string, file: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new SyntaxError(`Cannot use '${file}': it is not JSON`, { cause })
  }
}

/** What a schema accepted of it. Throws SyntaxError that names the file and the first bad key. */
export function accepted<T>(parsed: z.ZodSafeParseResult<T>, file: string): T {
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const keys = issue?.code === 'unrecognized_keys' ? issue.keys : []
  const path = [...(issue?.path ?? []), ...keys.slice(0, 1)].map(String).join('.')
  throw new SyntaxError(
    `Cannot use '${file}': ${path === '' ? 'the whole' : path}: ${issue?.message ?? 'wrong'}`,
  )
}
