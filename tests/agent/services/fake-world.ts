import type { ExitStatus } from '../../../agent/system/libc.ts'
import type { HeldPort } from '../../../agent/system/ports.ts'
import { createSupervisor, type SupervisorWorld } from '../../../agent/services/supervisor.ts'
import type { Manifest } from '../../../agent/services/manifest.ts'

type Behaviour = {
  /** What its probes say; changed by tests. */
  healthy: boolean
  /** What its readiness probe says, where that is something else. */
  ready?: boolean
  /** The signals that end it. */
  diesOf: readonly string[]
  /** Why it cannot even be started. */
  broken?: string
}

/** Services that are objects, and a clock that runs only when told to. */
export function fakeWorld(names: readonly string[]) {
  const behaviour = new Map<string, Behaviour>(
    names.map(name => [name, { healthy: true, diesOf: ['TERM', 'KILL'] }]),
  )
  const events: string[] = []
  /** Those whose data folder may be emptied. */
  const unready = new Set<string>()
  const exits = new Map<number, (status: ExitStatus) => void>()
  const pids = new Map<string, number>()
  const held: HeldPort[] = []
  const timers = new Set<{ atMs: number; fire: () => void }>()
  let nowMs = 0
  let nextPid = 100

  const of = (name: string): Behaviour => behaviour.get(name) ?? { healthy: false, diesOf: [] }
  const die = (name: string, how: { status: number | null; signal: number | null }) => {
    const pid = pids.get(name) ?? 0
    pids.delete(name)
    held.splice(0)
    exits.get(pid)?.({ pid, ...how })
  }
  const world: SupervisorWorld = {
    start: async ({ name }) => {
      const { broken } = of(name)
      if (broken !== undefined) throw new Error(broken)
      events.push(`start ${name}`)
      pids.set(name, ++nextPid)
      return nextPid
    },
    onExit: pid => new Promise(resolve => exits.set(pid, resolve)),
    kill: async (name, signal) => {
      events.push(`${signal} ${name}`)
      if (of(name).diesOf.includes(signal)) die(name, { status: null, signal: signal === 'KILL' ? 9 : 15 })
    },
    remove: async name => void events.push(`remove ${name}`),
    keepData: async name => void unready.delete(name),
    startOver: async name => {
      if (unready.has(name)) events.push(`empty ${name}`)
      return unready.has(name)
    },
    probe: async ({ name }, kind) => {
      const { healthy, ready = healthy } = of(name)
      return kind === 'health' ? healthy : ready
    },
    usage: name => {
      if (!pids.has(name)) throw new Error('no cgroup')
      return { memoryBytes: 1_000_000, cpuS: 1.5 }
    },
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(new Error('aborted'))
          return
        }
        const timer = { atMs: nowMs + ms, fire: resolve }
        timers.add(timer)
        signal.addEventListener('abort', () => {
          timers.delete(timer)
          reject(new Error('aborted'))
        })
      }),
    heldPorts: () => held,
    random: () => 1,
    log: () => undefined,
  }
  const settle = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  }
  const advance = async (ms: number) => {
    const endMs = nowMs + ms
    await settle()
    for (;;) {
      const due = [...timers].filter(timer => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      timers.delete(due)
      nowMs = due.atMs
      due.fire()
      await settle()
    }
    nowMs = endMs
  }
  return { world, behaviour: of, events, unready, advance, die, held }
}

/** A supervisor of these services in such a world; its passes end with the test. */
export function setUp(t: { teardown: (end: () => void) => void }, manifests: readonly Manifest[]) {
  const fake = fakeWorld(manifests.map(m => m.name))
  const passes = new AbortController()
  t.teardown(() => passes.abort())
  const supervisor = createSupervisor(manifests, fake.world, { signal: passes.signal })
  const state = (name: string) => supervisor.status()[name]?.state
  return { ...fake, supervisor, state }
}
