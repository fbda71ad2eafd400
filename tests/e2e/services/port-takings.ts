import type { Site } from '../support/node.ts'
import { attempt } from '../support/probe.ts'
import { untilReady, untilService } from '../support/status.ts'

export const nodeIp = '10.0.0.1'

/** Ways to hold a port without listening on it. */
export const takings = [
  // Raft of a node alone has no connections, whose rests would keep the port from the probe.
  ['and only binds it', ['hold', 'tcp', nodeIp, 10_101], 'rqlite', 10_101],
  ['by UDP', ['hold', 'udp', nodeIp, 10_103], 'olric', 10_103],
  ['and waits for an answer', ['hold-waiting', 'tcp', nodeIp, 10_107, '192.0.2.1', 53], 'kubo', 10_107],
] as const

/** The probe may be killed for it before it has answered: that it was done, the reason of its end tells. */
export async function take(
  site: Site,
  [name, ...words]: readonly [string, ...(string | number)[]],
): Promise<void> {
  await untilReady(site, 'probe')
  await attempt(site, name, ...words).catch(() => undefined)
}

/** Waits until the probe has ended for this reason, and is ready again. */
export async function untilKilled(site: Site, lastExit: string): Promise<void> {
  await untilService(site, 'probe', s => s.lastExit === lastExit && s.state === 'ready')
}
