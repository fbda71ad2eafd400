import { createKeeper, type Keeper, type KeeperStatus, type KeeperWorld } from './keeper.ts'
import { type Manifest, startOrder } from './manifest.ts'

export type SupervisorWorld = KeeperWorld & {
  /** Undefined where the service has no cgroup, since it does not run. */
  readonly memoryBytes: (name: string) => Promise<number | undefined>
}

export type ServiceStatus = KeeperStatus & { readonly memoryBytes?: number }

export type Supervisor = {
  /** Begins to start everything; each service waits until those that it requires are ready. */
  readonly startAll: () => void
  /** Stops everything, the last in order first; returns when all have ended. */
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
  const isReady = (name: string) => keepers.get(name)?.status().state === 'ready'
  for (const manifest of startOrder(manifests)) {
    const keeper = createKeeper(manifest, world, {
      mayStart: stop => changes.until(() => manifest.requires.every(isReady), stop),
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
  const passes = startPasses([...keepers.values()], world, signal)
  return {
    startAll: () => {
      for (const keeper of keepers.values()) keeper.start()
    },
    stopAll: async () => {
      for (const keeper of [...keepers.values()].reverse()) await keeper.stop()
    },
    start: name => {
      find(name).start()
    },
    stop: name => find(name).stop(),
    restart: async name => {
      const keeper = find(name)
      await keeper.stop()
      keeper.start()
    },
    status: () =>
      Object.fromEntries(
        [...keepers].map(([name, keeper]) => [name, passes.withMemory(keeper.status(), name)]),
      ),
    readyForMs: () => readyFor([...keepers.values()].map(keeper => keeper.status())),
    lastPassMs: passes.lastMs,
  }
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
  readonly withMemory: (status: KeeperStatus, name: string) => ServiceStatus
}

/** Looks at every service once a second: so a supervisor that hangs is seen, and figures are at hand. */
function startPasses(keepers: readonly Keeper[], world: SupervisorWorld, signal: AbortSignal): Passes {
  const memory = new Map<string, number>()
  let lastMs = world.nowMs()
  const pass = async () => {
    for (const { manifest, status } of keepers) {
      const bytes =
        status().pid === undefined ? undefined : await world.memoryBytes(manifest.name).catch(() => undefined)
      if (bytes === undefined) memory.delete(manifest.name)
      else memory.set(manifest.name, bytes)
    }
    lastMs = world.nowMs()
  }
  const loop = async () => {
    while (!signal.aborted) {
      await pass()
      await world.sleep(passMs, signal).catch(() => undefined)
    }
  }
  void loop()
  return {
    lastMs: () => lastMs,
    withMemory: (status, name) => {
      const bytes = memory.get(name)
      return bytes === undefined ? status : { ...status, memoryBytes: bytes }
    },
  }
}
