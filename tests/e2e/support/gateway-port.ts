import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Site } from './node.ts'
import { poll } from './poll.ts'

/** From where gateways are asked. */
export type Asker = Pick<Site, 'folder' | 'network'>

type Question = { readonly body?: string; readonly token?: string | undefined }

/**
 * What a gateway answers. Neither body nor token stands in argv. Before a long body curl asks whether it may send it.
 * Rejects where nothing answers.
 */
export async function askGateway({ folder, network }: Asker, url: string, { body, token }: Question = {}) {
  const file = join(folder, 'request.json')
  const lines = token === undefined ? [] : [`header = "Authorization: Bearer ${token}"`]
  if (body !== undefined) {
    await writeFile(file, body)
    lines.push(`data-binary = "@${file}"`, 'header = "Content-Type: application/json"')
  }
  const flags = ['-sk', '-m', '60', '-w', '\n%{http_code}', '-K', '-', url]
  const answer = await network.exec('curl', flags, { input: lines.map(line => `${line}\n`).join('') })
  const end = answer.lastIndexOf('\n')
  return { text: answer.slice(0, end), status: Number(answer.slice(end)) }
}

/** Waits until a gateway listens, whether or not it has a registry. */
export function untilServing(asker: Asker, gateway: string, deadlineMs: number): Promise<void> {
  return untilAnswered(asker, `${gateway}/v1/status`, deadlineMs)
}

/** Waits until a gateway has its registry. */
export function untilHealthy(asker: Asker, gateway: string, deadlineMs: number): Promise<void> {
  return untilAnswered(asker, `${gateway}/health`, deadlineMs)
}

async function untilAnswered(asker: Asker, url: string, deadlineMs: number): Promise<void> {
  const ask = () =>
    askGateway(asker, url).then(
      ({ status }) => status,
      () => undefined,
    )
  await poll({ ask, wanted: status => status === 200, what: url, deadlineMs, askAgainMs: 1000 })
}
