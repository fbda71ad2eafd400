import { isAborted } from '../system/abort.ts'
import { backoffMs } from '../system/backoff.ts'
import type { ExitStatus } from '../system/libc.ts'
import { describe } from '../system/log.ts'
import { describeExit, endsWithin, type EndingWorld, killWaitMs, noted, stopInOrder } from './ending.ts'
import type { Manifest } from './manifest.ts'
import { probeUntil, type ProbingWorld } from './probing.ts'

export type ServiceState = 'stopped' | 'starting' | 'ready' | 'backoff' | 'stopping'

/** What a keeper needs of the world; `serviceWorld` in world.ts is the real one. */
export type KeeperWorld = ProbingWorld &
  EndingWorld & {
    /** Makes the sandbox and starts the program in it; its PID. Throws where that fails. */
    readonly start: (manifest: Manifest) => Promise<number>
    readonly onExit: (pid: number) => Promise<ExitStatus>
    /** Kills what is left and takes the sandbox away. */
    readonly remove: (name: string) => Promise<void>
    /** The service is ready: what it has in its data folder stays. */
    readonly keepData: (name: string) => Promise<void>
    /** Empties the data folder of a service that was never ready; whether it did. */
    readonly startOver: (name: string) => Promise<boolean>
    /** 0 ≤ x < 1. */
    readonly random: () => number
  }

export type KeeperStatus = {
  readonly state: ServiceState
  /** For how long it has been in this state. */
  readonly forMs: number
  /** How often it was started again after an end that nobody asked for. */
  readonly restarts: number
  readonly lastExit?: string
  readonly lastProbe?: { readonly agoMs: number; readonly good: boolean }
  readonly pid?: number
}

/** Keeps one service running until it is told to stop; gives up never. */
export type Keeper = {
  readonly manifest: Manifest
  readonly status: () => KeeperStatus
  readonly start: () => void
  /** Resolves when the service has ended and its sandbox is gone. */
  readonly stop: () => Promise<void>
  /** SIGKILL at once, where it runs; it is started again as after any end. Resolves when it has ended. */
  readonly condemn: (why: string) => Promise<void>
}

export type KeeperOptions = {
  /** Resolves when everything that the service needs is there. Throws when the signal is aborted. */
  readonly mayStart: (signal: AbortSignal) => Promise<void>
  readonly onChange: () => void
}

/** Restarts must not give a machine more to do that has too much: from the second on there is twice the time, and again. */
const patienceMax = 8
const delays = { minMs: 1_000, maxMs: 5 * 60_000 }
/** Ready for so long: what went wrong before is forgotten. */
const steadyMs = 60_000

/** A keeper that has not been told to start yet. */
export function createKeeper(manifest: Manifest, world: KeeperWorld, options: KeeperOptions): Keeper {
  const life = newLife(manifest, world, options)
  let running: { readonly stopping: AbortController; readonly done: Promise<void> } | undefined
  return {
    manifest,
    status: life.status,
    start: () => {
      if (running?.stopping.signal.aborted === false) return
      const stopping = new AbortController()
      const before = running?.done ?? Promise.resolve()
      running = { stopping, done: before.then(() => keep(life, stopping.signal)) }
    },
    stop: async () => {
      const current = running
      current?.stopping.abort()
      await current?.done
      if (running === current) running = undefined
    },
    condemn: async why => {
      const { process } = life
      if (process === undefined) return
      process.why ??= why
      const blow = { name: manifest.name, signal: 'KILL', waitMs: killWaitMs } as const
      process.ending ??= endsWithin(world, process.exit, blow)
      await process.ending
      process.ending = undefined
    },
  }
}

/** What the functions below share about one service. */
type Life = {
  readonly manifest: Manifest
  readonly world: KeeperWorld
  readonly mayStart: KeeperOptions['mayStart']
  readonly status: () => KeeperStatus
  readonly set: (change: Partial<Facts>) => void
  /** While there is one; `why` is what it was condemned for. */
  process?: Process | undefined
}

type Process = {
  readonly exit: Promise<unknown>
  why?: string
  ending?: Promise<boolean> | undefined
}

type Facts = {
  state: ServiceState
  restarts: number
  lastExit: string | undefined
  lastProbe: { readonly atMs: number; readonly good: boolean } | undefined
  pid: number | undefined
}

function newLife(manifest: Manifest, world: KeeperWorld, { mayStart, onChange }: KeeperOptions): Life {
  const facts: Facts = {
    state: 'stopped',
    restarts: 0,
    lastExit: undefined,
    lastProbe: undefined,
    pid: undefined,
  }
  let sinceMs = world.nowMs()
  return {
    manifest,
    world,
    mayStart,
    set: change => {
      if (change.state !== undefined && change.state !== facts.state) sinceMs = world.nowMs()
      Object.assign(facts, change)
      onChange()
    },
    status: () => {
      const { state, restarts, lastExit, lastProbe, pid } = facts
      const nowMs = world.nowMs()
      return {
        state,
        forMs: nowMs - sinceMs,
        restarts,
        ...(lastExit === undefined ? {} : { lastExit }),
        ...(lastProbe === undefined
          ? {}
          : { lastProbe: { agoMs: nowMs - lastProbe.atMs, good: lastProbe.good } }),
        ...(pid === undefined ? {} : { pid }),
      }
    },
  }
}

async function keep(life: Life, stop: AbortSignal): Promise<void> {
  const { world, manifest } = life
  for (let failures = 0; !isAborted(stop);) {
    life.set({ state: 'starting' })
    const readyMs = await runOnce(life, { stop, patience: patienceAfter(failures) })
    if (isAborted(stop)) break
    if (readyMs === 0) await startOver(life)
    failures = readyMs >= steadyMs ? 1 : failures + 1
    const pauseMs = restartDelayMs(failures, world.random())
    world.log(
      `${manifest.name}: ${life.status().lastExit ?? 'ended'}; again in ${(pauseMs / 1000).toFixed(1)} s`,
    )
    life.set({ state: 'backoff' })
    await world.sleep(pauseMs, stop).catch(() => undefined)
    if (!isAborted(stop)) life.set({ restarts: life.status().restarts + 1 })
  }
  life.set({ state: 'stopped' })
  world.log(`${manifest.name}: stopped; ${life.status().lastExit ?? 'it had not started'}`)
}

function patienceAfter(failures: number): number {
  return Math.min(2 ** Math.max(failures - 1, 0), patienceMax)
}

/** A service that has never been ready goes on with an empty data folder: what it left there may be why it failed. */
async function startOver({ manifest: { name }, world }: Life): Promise<void> {
  const emptied = await world.startOver(name).catch(noted(world, name))
  if (emptied === true) world.log(`${name}: has never been ready, its data folder is emptied`)
}

/** 1, 2, 4 … s up to 5 minutes, between half and all of it: services that fell together rise one by one. */
export function restartDelayMs(failures: number, random: number): number {
  return backoffMs(delays, failures - 1, random)
}

/** `patience`: so many times as long as the manifest says may an answer take. */
type Run = { readonly stop: AbortSignal; readonly patience: number }

/** From start to end of one process; returns for how long it was ready. Never throws. */
async function runOnce(life: Life, run: Run): Promise<number> {
  const { world, manifest } = life
  const { stop } = run
  let readyMs = 0
  try {
    await life.mayStart(stop)
    const pid = await world.start(manifest)
    life.set({ pid })
    readyMs = await watch(life, { ...run, pid })
  } catch (cause) {
    if (!isAborted(stop)) life.set({ lastExit: `did not start: ${describe(cause).slice(0, 300)}` })
  }
  life.set({ pid: undefined })
  await world.remove(manifest.name).catch(noted(world, manifest.name))
  return readyMs
}

type Running = Run & { readonly pid: number }

/** Probes until the process ends, hangs, or is to be stopped; then sees to its end. */
async function watch(life: Life, { pid, stop, patience }: Running): Promise<number> {
  const { manifest, world } = life
  const ended = new AbortController()
  const exit = world.onExit(pid).then(status => {
    ended.abort()
    return status
  })
  const process: Process = { exit }
  life.process = process
  const readiness = { sinceMs: undefined as number | undefined }
  const signal = AbortSignal.any([stop, ended.signal])
  const hung = await probeUntil(manifest, world, {
    signal,
    patience,
    onProbe: good => {
      life.set({ lastProbe: { atMs: world.nowMs(), good } })
    },
    onReady: async () => {
      readiness.sinceMs = world.nowMs()
      await world.keepData(manifest.name).catch(noted(world, manifest.name))
      if (!isAborted(signal)) life.set({ state: 'ready' })
    },
  })
  const readyMs = readiness.sinceMs === undefined ? 0 : world.nowMs() - readiness.sinceMs
  life.set({ state: 'stopping' })
  if (!ended.signal.aborted) await stopInOrder(life, exit)
  const status = ended.signal.aborted ? describeExit(await exit) : 'did not end after SIGKILL'
  const why = process.why ?? hung
  life.set({ lastExit: why === undefined ? status : `${why}; ${status}` })
  life.process = undefined
  return readyMs
}
