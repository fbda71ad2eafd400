import type { Console } from '../qemu/console.ts'

/** Seconds from the POST that the node accepted until all its services are ready. */
export async function enrollS(console: Console, deadlineMs: number): Promise<number> {
  const accepted = await loggedAtS(console, 'enrollment: by ', deadlineMs)
  return (await loggedAtS(console, 'services: all are ready', deadlineMs)) - accepted
}

/**
 * What an unlock by guardians takes, from WireGuard up to data mounted, over what the same opening takes from the
 * secret in memory on, as a local key file would give it.
 */
export async function peerUnlockRatio(console: Console, deadlineMs: number): Promise<number> {
  const mounted = String.raw`unlock: secret received to data mounted: (\d+) ms`
  const mountedAtS = await loggedAtS(console, mounted, deadlineMs)
  const upAtS = await loggedAtS(console, 'WireGuard: up', deadlineMs)
  const { groups } = await console.waitFor(new RegExp(mounted), deadlineMs)
  return (mountedAtS - upAtS) / (Number(groups[0]) / 1000)
}

/**
 * When the agent logged a line of this boot, in seconds since its kernel started, by the machine's own clock. `line`: a
 * regular expression for how it begins. Rejects as `waitFor` does.
 */
export async function loggedAtS(console: Console, line: string, deadlineMs: number): Promise<number> {
  const { groups } = await console.waitFor(new RegExp(`^\\[ *(\\d+\\.\\d+)\\] ${line}`, 'm'), deadlineMs)
  return Number(groups[0])
}
