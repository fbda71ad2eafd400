import type { IncomingMessage } from 'node:http'
import type { ZodError, ZodType } from 'zod'
import { HttpError } from './error.ts'

/**
 * The whole body of a request. Refuses with 413 one that is, or says that it will be, longer than allowed. The
 * connection stays open, so that the refusal can be sent: the rest of the body is the caller's to discard.
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const tooLong = () => new HttpError(413, 'body too large', `send at most ${bytesMax} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLong()
  if (isBodyless(request)) return Buffer.alloc(0)
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    const data = part as Buffer
    bytes += data.length
    if (bytes > bytesMax) throw tooLong()
    parts.push(data)
  }
  return Buffer.concat(parts)
}

/** Most requests are, and to read those to their end would cost as much as many an answer. */
function isBodyless({ headers }: IncomingMessage): boolean {
  return headers['content-length'] === undefined && headers['transfer-encoding'] === undefined
}

/**
 * Takes what still comes of a body and forgets it; after `bytesMax` the connection is cut. The reply stands in the
 * socket by then: the kernel resets a connection closed with unread data, and the client would lose it.
 */
export async function discardBody(request: IncomingMessage, bytesMax: number): Promise<void> {
  let bytes = 0
  for await (const part of request) {
    bytes += (part as Buffer).length
    if (bytes > bytesMax) return
  }
}

const shownCharactersMax = 300

/** A JSON body as a schema wants it. Refuses with 400, naming the first thing that is wrong, never its value. */
export function parseJson<T>(body: Buffer, schema: ZodType<T>): T {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new HttpError(400, 'the body is not JSON', 'send a JSON object in UTF-8')
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw unfit('body', result.error)
}

/** The refusal of what a schema refused: names the first thing that is wrong, by its place, never its value. */
export function unfit(what: 'body' | 'query', error: ZodError): HttpError {
  const issue = error.issues[0]
  const fault = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`.slice(0, shownCharactersMax)
  return new HttpError(400, `the ${what} does not fit: ${fault}`, 'docs/ has the fields of each route')
}
