import type { Completion } from '../../../protocol/completion.ts'
import type { Site } from './node.ts'

export const completePath = '/v1/agent/enroll/complete'

/** GET / unless it says otherwise; `flags` are more of curl's. */
export type Question = {
  readonly method?: string
  readonly path?: string
  readonly body?: string | Buffer
  readonly flags?: readonly string[]
}

/** A completion, or what is sent in its place. */
export function posted(body: Completion | string | Buffer): Question {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return { method: 'POST', path: completePath, body: bytes }
}

/** Asks port 9999 of the site's node, by curl; every answer of it is JSON. */
export async function ask(
  { network, port }: Site,
  { method = 'GET', path = '/', body, flags = [] }: Question,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const quiet = ['-s', '-m', '60', '-w', '\n%{http_code}', '-X', method, ...flags]
  const data = body === undefined ? [] : ['--data-binary', '@-']
  const options = { input: body ?? '', timeoutMs: 70_000 }
  const text = await network.exec('curl', [...quiet, ...data, `http://${port.address}:9999${path}`], options)
  const end = text.lastIndexOf('\n')
  return { status: Number(text.slice(end)), body: JSON.parse(text.slice(0, end)) }
}
