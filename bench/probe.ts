import { get } from 'node:http'
import type { Console } from '../qemu/console.ts'
import type { Network } from '../qemu/network.ts'

const answerMs = 10_000
const readyDeadlineMs = 180_000

/**
 * Seconds from the kernel's start to the first 200 of a URL. The start is where the agent's first line with the
 * version puts it: its time stamp counts from there. The URL is asked when the node says on its console that it
 * answers: asking a closed port before that would only keep the machine busy.
 */
export async function readyAfterS(console: Console, network: Network, url: string): Promise<number> {
  const { groups } = await console.waitFor(/^\[ *(\d+\.\d+)\] OramaOS /m, readyDeadlineMs)
  const startMs = performance.now() - Number(groups[0]) * 1000
  await console.waitFor('STATE blank\n', readyDeadlineMs)
  await getText(network, url, {})
  return (performance.now() - startMs) / 1000
}

/** The body of a URL on a network of ours. Throws if it is not a 200. */
export function getText(
  network: Network,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  return inside(network, () => request(url, headers))
}

/** Sockets that `work` makes are in the network's namespace. */
async function inside<T>(network: Network, work: () => Promise<T>): Promise<T> {
  const home = await network.namespace.enter()
  try {
    return await work()
  } finally {
    await home[Symbol.asyncDispose]()
  }
}

function request(url: string, headers: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get(url, { headers, agent: false, timeout: answerMs }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text)
        else reject(new Error(`${url} answered with ${String(response.statusCode)}`))
      })
    })
    asked.on('timeout', () => asked.destroy(new Error(`${url} did not answer in time`)))
    asked.on('error', reject)
  })
}
