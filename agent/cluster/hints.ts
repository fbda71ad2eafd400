import { describe } from '../system/log.ts'

/** The world of a node that looks for members by the hints of its operator file. Members are node ids. */
export type HintsWorld = {
  /** Members that do not answer. */
  readonly silent: () => Promise<readonly string[]>
  /** Tries an `address:port` for all members that do not answer; returns them. */
  readonly aim: (endpoint: string) => Promise<readonly string[]>
  /** Sends who still does not answer back to where it says it is. */
  readonly restore: () => Promise<void>
  /** IPv4 addresses of a host name or address. Throws where there are none. */
  readonly resolve: (host: string) => Promise<readonly string[]>
  /** Not for this node itself, and not inside of the cluster's own network. */
  readonly isUsable: (address: string, port: number) => boolean
  /** Throws when the node stops. */
  readonly pause: (ms: number) => Promise<unknown>
  readonly log: (line: string) => void
}

/** Long enough for two tries of WireGuard, which makes one every 5 s. */
const tryMs = 10_000
const pauseMs = 30_000
/** While all answer, names are looked up every so many rounds: the name server may be gone when they do not. */
const quietRounds = 20
const endpointsMax = 32

/**
 * Looks for silent members at each hint in turn, until the signal is aborted. A hint does not say whose it is, and need
 * not: all silent members are sent to it at once, and WireGuard answers to the right key alone. What members say of each
 * other is news, as soon as one of them answers. Between two rounds each is tried where it last said it is.
 */
export async function seekByHints(
  hints: readonly string[],
  world: HintsWorld,
  signal: AbortSignal,
): Promise<void> {
  const book: Book = new Map()
  for (let round = 0, quiet = 0; !signal.aborted; round += 1) {
    await world.pause(round === 0 ? tryMs : pauseMs)
    const isQuiet = (await world.silent()).length === 0
    if (!isQuiet || quiet % quietRounds === 0) await lookUp(hints, book, world)
    quiet = isQuiet ? quiet + 1 : 0
    const endpoints = new Set([...book.values()].flatMap(({ found }) => found))
    if (!isQuiet) await tryAll([...endpoints].slice(0, endpointsMax), world)
  }
}

/** By hint: the endpoints that it was last found to be, and whether its name cannot be found now. */
type Book = Map<string, { readonly found: readonly string[]; readonly isMissed: boolean }>

/** Where a name cannot be found now, what it was before counts. */
async function lookUp(
  hints: readonly string[],
  book: Book,
  { resolve, isUsable, log }: HintsWorld,
): Promise<void> {
  const lookUpOne = async (hint: string) => {
    const [host = '', port = ''] = hint.split(':')
    const before = book.get(hint)
    try {
      const usable = (await resolve(host)).filter(address => isUsable(address, Number(port)))
      book.set(hint, { found: usable.map(address => `${address}:${port}`), isMissed: false })
    } catch (cause) {
      if (before?.isMissed !== true) log(`hints: ${host} cannot be found: ${describe(cause)}`)
      book.set(hint, { found: before?.found ?? [], isMissed: true })
    }
  }
  await Promise.all(hints.map(lookUpOne))
}

async function tryAll(endpoints: readonly string[], world: HintsWorld): Promise<void> {
  for (const endpoint of endpoints) {
    const sent = await world.aim(endpoint)
    if (sent.length === 0) return
    await world.pause(tryMs)
    const still = new Set(await world.silent())
    const found = sent.filter(node => !still.has(node))
    if (found.length > 0) world.log(`hints: ${found.join(', ')} answered while ${endpoint} was tried`)
  }
  await world.restore()
}
