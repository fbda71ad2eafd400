import { describe } from '../system/log.ts'
import type { SntpAnswer } from './sntp.ts'

/** Where the time comes from and where it goes; `clockWorld` in clock-world.ts is the real one. */
export type ClockWorld = {
  /** Throws where the server does not answer in time or not properly. */
  readonly ask: (server: string) => Promise<SntpAnswer>
  /** Unix milliseconds as this machine sees them. */
  readonly nowMs: () => number
  readonly setMs: (timeMs: number) => void
  /** Sets the clock that goes on while the machine is off. Throws where there is none. */
  readonly setHardwareMs: (timeMs: number) => void
  /** Throws when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly random: () => number
  readonly log: (line: string) => void
}

/** What a wrong clock could harm: nothing yet, the owner's way in, or what runs. */
export type ClockData = 'blank' | 'locked' | 'open'

export type ClockOptions = {
  /** Called at each round: DHCP's (option 42), the operator file's, the image's. Host names or addresses. */
  readonly servers: () => readonly string[]
  /** Unix milliseconds of the image's build: no right clock shows less. */
  readonly builtMs: number
  readonly data: () => ClockData
  readonly signal: AbortSignal
  /** After the first time that servers were believed. */
  readonly onSet?: () => void
}

const serversAskedMax = 4
const bootWaitMs = 3_000
const retryMinMs = 2_000
const hourMs = 3_600_000
/** Smaller errors than this are not worth a jump. */
const stepMinMs = 50
/** Once enrolled: who turns the clock back could revive what has expired. */
const backMaxMs = 5 * 60_000

/**
 * Sets the clock. Waits for servers at most 3 s; goes on in the background until the signal is aborted, with
 * growing pauses while none answers, then once an hour.
 */
export async function startClock(world: ClockWorld, options: ClockOptions): Promise<void> {
  if (world.nowMs() < options.builtMs) {
    world.log('clock: older than the image; set to its build time')
    world.setMs(options.builtMs)
  }
  const waiting = new AbortController()
  const set = new Promise<void>(resolve => {
    void keepClock(world, options, resolve)
  })
  await Promise.race([set, world.sleep(bootWaitMs, waiting.signal).catch(() => undefined)])
  waiting.abort()
}

async function keepClock(world: ClockWorld, options: ClockOptions, onSet: () => void): Promise<void> {
  let believed = false
  for (let failures = 0; !options.signal.aborted;) {
    const good = await setOnce(world, options, believed).catch((cause: unknown) => {
      world.log(`clock: ${String(cause)}`)
      return false
    })
    if (good) {
      believed = true
      onSet()
      options.onSet?.()
    }
    failures = good ? 0 : failures + 1
    const pauseMs = good ? hourMs : Math.min(retryMinMs * 2 ** (failures - 1), hourMs)
    await world.sleep(pauseMs * (0.75 + world.random() / 2), options.signal).catch(() => undefined)
  }
}

/** Asks up to four servers at once and believes the middle one, so that one liar among three moves nothing. */
async function setOnce(world: ClockWorld, options: ClockOptions, believed: boolean): Promise<boolean> {
  const servers = [...new Set(options.servers())].slice(0, serversAskedMax)
  const answers = await Promise.allSettled(servers.map(server => world.ask(server)))
  const good = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
  const offsetMs = middle(good.map(answer => answer.offsetMs))
  if (offsetMs === undefined) return false
  const nowMs = world.nowMs()
  const refusal = refuseStep({ nowMs, offsetMs, builtMs: options.builtMs, data: options.data(), believed })
  if (refusal !== undefined) {
    world.log(`clock: not moved by ${(offsetMs / 1000).toFixed(3)} s: ${refusal}`)
    return false
  }
  if (Math.abs(offsetMs) >= stepMinMs) {
    world.setMs(nowMs + offsetMs)
    world.log(
      `clock: moved by ${(offsetMs / 1000).toFixed(3)} s, ${good.length} of ${servers.length} servers answered`,
    )
  }
  keepForNextBoot(world)
  return true
}

/** The hardware clock may be wrong also where the system's is right; not every machine has one. */
function keepForNextBoot(world: ClockWorld): void {
  try {
    world.setHardwareMs(world.nowMs())
  } catch (cause) {
    world.log(`clock: ${describe(cause)}`)
  }
}

type Step = {
  readonly nowMs: number
  readonly offsetMs: number
  readonly builtMs: number
  readonly data: ClockData
  /** Servers have set the clock since this boot. */
  readonly believed: boolean
}

/**
 * Why the clock must not be moved so, or undefined where it may. What a locked node shows before servers were believed
 * is its hardware clock's word: where that is ahead, each order of the owner would have expired (decision 12).
 */
export function refuseStep({ nowMs, offsetMs, builtMs, data, believed }: Step): string | undefined {
  if (nowMs + offsetMs < builtMs) return 'that is before the image was built'
  const known = data === 'open' || (data === 'locked' && believed)
  if (known && offsetMs < -backMaxMs) return 'an enrolled node does not go back by more than 5 minutes'
  return undefined
}

/** The lower of the two in the middle where the number is even. */
function middle(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}
