import { describe } from '../system/log.ts'
import type { HeldPort } from '../system/ports.ts'
import { createKeeper, type Keeper, type KeeperStatus, type KeeperWorld } from './keeper.ts'
import { type Manifest, startOrder } from './manifest.ts'
import { type Usage, usageIfThere } from './probing.ts'
import { portTakers } from './takers.ts'

export type SupervisorWorld = KeeperWorld & {
  /** Who holds which port of the machine; throws where the kernel does not say. */
  readonly heldPorts: () => readonly HeldPort[]
}

export type ServiceStatus = KeeperStatus & Partial<Usage>

export type Supervisor = {
  /** Begins to start everything; each service but the eager waits until those that it requires are ready. */
  readonly startAll: () => void
  /** Stops everything, each after those that require it; returns when all have ended. Nothing is started any more. */
  readonly stopAll: () => Promise<void>
  /** These throw RangeError for a name that is no service. Others are not touched. */
  readonly start: (name: string) => void
  readonly stop: (name: string) => Promise<void>
  readonly restart: (name: string) => Promise<void>
  readonly status: () => Readonly<Record<string, ServiceStatus>>
  /** For how long every service has been ready, in milliseconds; undefined while one is not. */
  readonly readyForMs: () => number | undefined
  /** When the supervisor last looked at its services, in the world's clock: what the watchdog asks. */
  readonly lastPassMs: () => number
}

export type SupervisorOptions = {
  /** Ends the passes, not the services. */
  readonly signal: AbortSignal
  /** After every change of a service's state. */
  readonly onChange?: () => void
}

const passMs = 1_000

/** Nothing is started yet. Throws RangeError where `requires` names no service or goes in a circle. */
export function createSupervisor(
  manifests: readonly Manifest[],
  world: SupervisorWorld,
  { signal, onChange }: SupervisorOptions,
): Supervisor {
  const changes = changeBoard()
  const keepers = new Map<string, Keeper>()
  const guardPorts = portGuard(keepers, world)
  const isReady = (name: string) => keepers.get(name)?.status().state === 'ready'
  for (const manifest of startOrder(manifests)) {
    const keeper = createKeeper(manifest, world, {
      mayStart: async stop => {
        await changes.until(() => manifest.eager || manifest.requires.every(isReady), stop)
        // Else it would find its port taken, and try again later and later.
        await guardPorts()
      },
      onChange: () => {
        changes.tell()
        onChange?.()
      },
    })
    keepers.set(manifest.name, keeper)
  }
  const find = (name: string): Keeper => {
    const keeper = keepers.get(name)
    if (keeper === undefined) throw new RangeError(`Cannot find service '${name}'`)
    return keeper
  }
  let stopped = false
  const start = (name: string) => {
    const keeper = find(name)
    if (!stopped) keeper.start()
  }
  const passes = startPasses([...keepers.values()], { world, guardPorts }, signal)
  return {
    startAll: () => {
      for (const name of keepers.keys()) start(name)
    },
    stopAll: () => {
      stopped = true
      return stopInOrder([...keepers.values()])
    },
    start,
    stop: name => find(name).stop(),
    restart: async name => {
      await find(name).stop()
      start(name)
    },
    status: () =>
      Object.fromEntries(
        [...keepers].map(([name, keeper]) => [name, passes.withUsage(keeper.status(), name)]),
      ),
    readyForMs: () => readyFor([...keepers.values()].map(keeper => keeper.status())),
    lastPassMs: passes.lastMs,
  }
}

/**
 * Who requires another stops before it; the rest at the same time: one after the other, a few services that do not
 * heed their signal would take longer than the node gives them all.
 */
async function stopInOrder(keepers: readonly Keeper[]): Promise<void> {
  const stopping = new Map<string, Promise<void>>()
  // Last in order first, so whoever requires a service is in the map before it.
  for (const keeper of keepers.toReversed()) {
    const { name } = keeper.manifest
    const users = keepers.filter(other => other.manifest.requires.includes(name))
    const before = users.flatMap(user => stopping.get(user.manifest.name) ?? [])
    stopping.set(
      name,
      Promise.all(before).then(() => keeper.stop()),
    )
  }
  await Promise.all(stopping.values())
}

function readyFor(all: readonly KeeperStatus[]): number | undefined {
  return all.every(status => status.state === 'ready')
    ? Math.min(...all.map(status => status.forMs))
    : undefined
}

type ChangeBoard = {
  readonly tell: () => void
  /** Resolves when the condition holds; throws when the signal is aborted first. */
  readonly until: (condition: () => boolean, signal: AbortSignal) => Promise<void>
}

function changeBoard(): ChangeBoard {
  const waiting = new Set<() => void>()
  return {
    tell: () => {
      for (const look of [...waiting]) look()
    },
    until: (condition, signal) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!signal.aborted && !condition()) return
          waiting.delete(look)
          signal.removeEventListener('abort', look)
          if (signal.aborted) reject(new Error('Stopped while waiting'))
          else resolve()
        }
        waiting.add(look)
        signal.addEventListener('abort', look)
        look()
      }),
  }
}

type Passes = {
  readonly lastMs: () => number
  readonly withUsage: (status: KeeperStatus, name: string) => ServiceStatus
}

/**
 * Kills every service that holds a port of another; resolves when they have ended. Never throws: where the kernel does
 * not say who holds what, the services run all the same, and the log says so once.
 */
function portGuard(keepers: ReadonlyMap<string, Keeper>, world: SupervisorWorld): () => Promise<void> {
  let told = false
  const takers = () => {
    try {
      return portTakers(
        [...keepers.values()].map(keeper => keeper.manifest),
        world.heldPorts(),
      )
    } catch (cause) {
      if (!told) world.log(`ports are not guarded: ${describe(cause)}`)
      told = true
      return []
    }
  }
  return async () => {
    const killed = takers().map(async ({ name, port, owner }) => {
      await keepers.get(name)?.condemn(`took port ${port} of ${owner}`)
    })
    await Promise.all(killed)
  }
}

type PassTasks = { readonly world: SupervisorWorld; readonly guardPorts: () => Promise<void> }

/** Looks at every service once a second: so a supervisor that hangs is seen, and figures are at hand. */
function startPasses(
  keepers: readonly Keeper[],
  { world, guardPorts }: PassTasks,
  signal: AbortSignal,
): Passes {
  const usage = new Map<string, Usage>()
  let lastMs = world.nowMs()
  const pass = () => {
    // Not waited for: a process that does not end must not look like a supervisor that hangs.
    void guardPorts()
    for (const { manifest, status } of keepers) {
      const used = status().pid === undefined ? undefined : usageIfThere(manifest.name, world)
      if (used === undefined) usage.delete(manifest.name)
      else usage.set(manifest.name, used)
    }
    lastMs = world.nowMs()
  }
  const loop = async () => {
    while (!signal.aborted) {
      pass()
      await world.sleep(passMs, signal).catch(() => undefined)
    }
  }
  void loop()
  return {
    lastMs: () => lastMs,
    withUsage: (status, name) => ({ ...status, ...usage.get(name) }),
  }
}
