import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { median } from '../median.ts'

export type Target = {
  readonly name: string
  readonly scheme: 'http' | 'https'
  /** With port, path, headers, and for TLS what its server is known by. */
  readonly options: RequestOptions & { readonly ca?: string; readonly servername?: string }
  /** One connection for many requests, or one for each. */
  readonly kept: boolean
}

export type Load = {
  readonly connections: number
  /** A round asks each target for so many answers. */
  readonly requests: number
  readonly rounds: number
}

/** Answers a second of each target by its name: the median of rounds in which all have their turn, after one that does not count. */
export async function ratesOf(targets: readonly Target[], load: Load): Promise<ReadonlyMap<string, number>> {
  const rates = new Map(targets.map(({ name }) => [name, [] as number[]]))
  for (let round = 0; round <= load.rounds; round++)
    for (const target of targets) {
      const perSecond = await measure(target, load)
      if (round > 0) rates.get(target.name)?.push(perSecond)
    }
  return new Map([...rates].map(([name, all]) => [name, median(all)]))
}

async function measure({ scheme, options, kept }: Target, { connections, requests }: Load): Promise<number> {
  const pool = { keepAlive: true, maxSockets: connections }
  const agent = kept && (scheme === 'https' ? new HttpsAgent(pool) : new HttpAgent(pool))
  let left = requests
  const ask = async () => {
    while (left-- > 0) await answered(scheme, { ...options, agent })
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: connections }, ask))
  const seconds = (performance.now() - started) / 1000
  if (agent !== false) agent.destroy()
  return requests / seconds
}

/** Reads an answer to its end. Rejects where it is not a 200: the speed of refusals is no figure. */
export function answered(
  scheme: Target['scheme'],
  options: Target['options'],
  body?: string,
): Promise<string> {
  const request = (scheme === 'https' ? httpsRequest : httpRequest)(options)
  return new Promise((resolve, reject) => {
    request.on('error', reject)
    request.on('response', response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text)
        else reject(new Error(`Cannot use answer: status ${String(response.statusCode)}`))
      })
    })
    request.end(body)
  })
}
