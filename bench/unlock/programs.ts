import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { openShareStore, type ShareStore } from '../../agent/guardian/share-store.ts'
import { serveGuardian } from '../../agent/guardian/socket.ts'
import { closeHttp } from '../../http/server.ts'
import type { ListedMember } from '../../protocol/shares/store.ts'
import { startProgram } from '../../qemu/program.ts'
import { cluster, newNode } from '../../tests/protocol/cluster/sample.ts'
import { altered, type Asker, newAsker } from './asker.ts'
import { collect, type Places } from './collect.ts'

const program = join(import.meta.dirname, '../../services/guardian/main.ts')
/** The guardian's own. */
const port = 10_106
const count = 3
const threshold = 2
const startTriesMax = 20

/** Three guardians: the programs that nodes start, each before the share store of an agent, which this process plays. */
export type GuardianPrograms = {
  readonly places: Places
  /** A new node, two of whose three shares open it; of these guardians so many hold a wrong one. */
  readonly asker: (liars: number) => Promise<Asker>
}

/**
 * Starts them on addresses of the loopback network; `stack` ends them. It takes 20 s: for so long a new guardian gives
 * nothing away. Stores are served by this process, and not by three machines: that is counted against us.
 */
export async function startGuardians(folder: string, stack: AsyncDisposableStack): Promise<GuardianPrograms> {
  const ids = Array.from({ length: count }, () => newNode().nodeId)
  const addresses = new Map(ids.map((id, at) => [id, `127.106.0.${at + 1}`]))
  const members: ListedMember[] = []
  const stores = new Map(ids.map(id => [id, memoryStore(id)]))
  for (const [nodeId, store] of stores) {
    const socketPath = join(folder, nodeId)
    const list = () => ({ cluster, nodeId, members })
    const side = { store, members: list, exchange: () => Promise.reject(new Error('Cannot take news')) }
    const agent = await serveGuardian(side, { path: socketPath, report: () => undefined })
    stack.defer(() => closeHttp(agent))
    await startGuardian([addresses.get(nodeId) ?? '', socketPath], stack)
  }
  const places = { addresses, port }
  const asker = async (liars: number): Promise<Asker> => {
    const made = await newAsker(ids, threshold)
    members.push(made.member)
    await deposit(made, stores, liars)
    return made
  }
  await untilStarted(await asker(0), places)
  return { places, asker }
}

async function startGuardian(args: readonly string[], stack: AsyncDisposableStack): Promise<void> {
  const running = await startProgram(process.execPath, ['--no-warnings', program, ...args])
  stack.defer(async () => {
    await running.stop()
  })
  await once(createInterface(running.stdout), 'line')
  running.stdout.resume()
}

/** Straight into the stores: how shares get there is not measured. */
async function deposit(
  { record, epoch: { number, id }, shares }: Asker,
  stores: ReadonlyMap<string, ShareStore>,
  liars: number,
): Promise<void> {
  for (const [at, [guardian, right]] of [...shares].entries()) {
    const share = at < liars ? altered(right) : right
    await stores.get(guardian)?.put(record.nodeId, { epoch: { number, id }, share, keep: [] })
  }
}

function memoryStore(nodeId: string): ShareStore {
  const write = () => Promise.resolve()
  return openShareStore({ cluster, nodeId, key: randomBytes(32), read: () => undefined, write })
}

/** Asks until a secret comes, as seldom as the guardians say. */
async function untilStarted(asker: Asker, places: Places): Promise<void> {
  for (let attempt = 1; attempt <= startTriesMax; attempt++) {
    const { secret, answers } = await collect(asker, places)
    if (secret !== undefined) return
    const waitsS = [...answers.values()].map(answer => (answer.kind === 'refused' ? (answer.retryS ?? 1) : 1))
    await pause(Math.max(1, ...waitsS) * 1000)
  }
  throw new Error(`Cannot use guardians: they gave no secret in ${startTriesMax} attempts`)
}
