import { bootMs, must, type Site } from '../support/node.ts'
import { readStatus } from '../support/status.ts'
import { nodeIp } from './port-takings.ts'

/** A command of the operator for this node. */
export function command(site: Site, ...words: readonly string[]) {
  return site.orama('node', 'command', '--node-ip', nodeIp, ...words)
}

/** The log of a service: its last thousand lines. */
export async function lastLines(site: Site, service: string): Promise<string> {
  const words = ['--node-ip', nodeIp, '--service', service, '--lines', '1000']
  return must(await site.orama('node', 'logs', ...words))
}

/** What answers at a port of the node. Throws, with curl's status, where nothing does within five seconds. */
export function curl(site: Site, port: number): Promise<string> {
  return site.network.exec('curl', ['-s', '-m', '5', `http://${nodeIp}:${port}/`])
}

/** How many calls of this name the probe was denied, or may have been. */
export async function countOf(site: Site, call: string): Promise<number> {
  const { deniedLost = 0, services } = await readStatus(site)
  return (services['probe']?.denied?.[call] ?? 0) + deniedLost
}

/** Between its start and its port a service refuses; between two lives too. */
export async function untilAnswers(ask: () => Promise<unknown>): Promise<void> {
  for (const endMs = performance.now() + bootMs; ;)
    try {
      await ask()
      return
    } catch (cause) {
      if (performance.now() > endMs) throw cause
    }
}
