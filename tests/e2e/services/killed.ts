import type { Test } from 'tap'
import type { ServiceStatus } from '../../../protocol/status.ts'
import type { Console } from '../../../qemu/console.ts'
import { addFile, catFile } from '../support/kubo.ts'
import { startLoad } from '../support/load.ts'
import { bootMs, type Site } from '../support/node.ts'
import { getKey, putKey } from '../support/olric.ts'
import { poll } from '../support/poll.ts'
import { query } from '../support/rqlite.ts'
import { readStatus } from '../support/status.ts'
import { nodeFile } from '../support/wallet-file.ts'
import { lastLines } from './asks.ts'

/** The fault of test images that kills each service once, the next when all are ready again. */
export const killing = { 'opt/orama/fault': 'kill@services' }

/** The gateway alone took 95 s to start, on a machine whose other services were asked as fast as they answered. */
const loadedMs = 600_000

/** Uses all services while they are killed in turn: each has to be ready again, with all that it acknowledged. */
export async function killedUnderLoad(t: Test, site: Site, console: Console): Promise<void> {
  await query(site, 'CREATE TABLE load (number INTEGER)')
  const cid = await addFile(site, 'kept through SIGKILL')
  const { nodeId, cluster } = await nodeFile(site)
  const load = await startLoad(site, `${nodeId}.node.${cluster}`)
  const isAgain = ({ state, restarts }: ServiceStatus) => restarts > 0 && state === 'ready'
  const { services } = await poll({
    ask: () => readStatus(site),
    wanted: status => Object.values(status.services).every(isAgain),
    what: 'every service to be ready again',
    deadlineMs: loadedMs,
  }).finally(() => load.stop())
  for (const [name, { restarts, lastExit }] of Object.entries(services)) {
    await console.waitFor(`${name}: signal 9; again in `, bootMs)
    // kubo 0.43 was once seen to end by itself after it: the agent starts what ends, whatever the reason.
    t.ok(restarts <= 2, `${name} has not ended by itself more than once`)
    if (restarts > 1) t.comment(`${name}: ${lastExit ?? ''}: ${reason(await lastLines(site, name))}`)
  }
  const done = await load.stop()
  for (const [name, answered] of Object.entries(done)) t.ok(answered > 0, name)
  const answer = await query(site, 'SELECT count(*) AS rows FROM load', 'strong')
  const kept = Number(/\[\s*(\d+)\s*\]/.exec(answer)?.[1])
  t.ok(kept >= done.rqlite, `${kept} rows of ${done.rqlite} acknowledged`)
  t.equal(await catFile(site, cid), 'kept through SIGKILL')
  await putKey(site, 'proof', ['word', 'again'])
  t.equal(await getKey(site, 'proof', 'word'), 'again')
}

/** What a program in Go says before the stacks of its goroutines, and the first of these. */
function reason(log: string): string {
  const lines = log.split('\n')
  const first = lines.findIndex(line => /panic: |fatal error: |runtime: |SIG[A-Z]+: /.test(line))
  return (first === -1 ? lines.slice(-25) : lines.slice(first, first + 25)).join('\n')
}
