import type { MemberRecord } from '../../protocol/cluster/member.ts'
import { exchange } from '../../http/exchange.ts'
import { isAborted } from '../system/abort.ts'
import { backoffMs } from '../system/backoff.ts'
import { describe } from '../system/log.ts'

/** Where a gateway may answer. */
export type Place = { readonly host: string; readonly port: number }

export type Introduction = {
  /** This node's own record. */
  readonly member: MemberRecord
  readonly places: () => readonly Place[]
  /** Some other member has answered, or none will ever: there is nothing more to say. */
  readonly isOver: () => boolean
  /** Lets calls of the agent to these TCP ports out, and to no other. */
  readonly openPorts: (ports: readonly number[]) => Promise<void>
  /** Resolves when a gateway has taken the record; rejects with why not. */
  readonly post: (place: Place, member: MemberRecord, signal: AbortSignal) => Promise<void>
  readonly pause: (ms: number) => Promise<unknown>
  /** 0 ≤ x < 1. */
  readonly random: () => number
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}

/** How often it is looked whether it is over: then the ports close. */
const lookMs = 5000
/** Of one round, by chance: a large cluster has a gateway on every node. */
const placesMax = 8

/**
 * Has a node say that it is a member while no other node answers it. Its answer to the join may have been lost: then
 * nobody has its WireGuard key, and it can reach nobody but a gateway. Resolves when it is over.
 */
export async function introduce(of: Introduction): Promise<void> {
  const { signal, openPorts, places, log } = of
  let isOpen = false
  try {
    for (let round = 0; await due(of, introduceDelayMs(round, of.random())); round += 1) {
      const all = places()
      if (all.length === 0) continue
      if (!isOpen) log('cluster: no other node answers: this node tells gateways that it is a member')
      isOpen = true
      // Nobody can reach this node to tell it to try again.
      await openPorts(all.map(place => place.port))
        .then(() => sayTo(chosen(all, of.random), of))
        .catch((cause: unknown) => {
          log(`cluster: cannot call gateways: ${describe(cause)}`)
        })
    }
  } finally {
    if (isOpen && !isAborted(signal)) await openPorts([])
  }
}

const delays = { minMs: 60_000, maxMs: 600_000 }

/** Doubles with each round, from 1 to 10 min; up to half of it is left to chance. */
export function introduceDelayMs(round: number, random: number): number {
  return backoffMs(delays, round, random)
}

/** Waits; false where it is over before. */
async function due({ isOver, pause, signal }: Introduction, delayMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < delayMs; waitedMs += lookMs) {
    await pause(Math.min(lookMs, delayMs - waitedMs))
    if (isAborted(signal) || isOver()) return false
  }
  return true
}

/** One after the other, until one has taken it. */
async function sayTo(places: readonly Place[], { post, member, log, signal }: Introduction): Promise<void> {
  let why = 'nobody was asked'
  for (const place of places)
    try {
      await post(place, member, signal)
      log(`cluster: the gateway at ${place.host} has this node's record`)
      return
    } catch (cause) {
      why = `${place.host}: ${describe(cause)}`
    }
  log(`cluster: no gateway has taken this node's record: ${why}`)
}

function chosen(all: readonly Place[], random: () => number): readonly Place[] {
  const drawn = all.map(place => ({ place, at: random() })).toSorted((a, b) => a.at - b.at)
  return drawn.slice(0, placesMax).map(({ place }) => place)
}

const answerMs = 20_000
const answerBytesMax = 16 * 1024

/**
 * Hands a member record to a gateway. Whose certificate it has does not matter: all members know the record, it
 * proves itself, and the answer is not believed: the node is known when another node answers.
 */
export async function postMember(place: Place, member: MemberRecord, signal: AbortSignal): Promise<void> {
  const { status } = await exchange({
    ...{ to: { ...place, tls: 'unverified' }, method: 'POST', path: '/v1/node/member' },
    body: JSON.stringify({ member }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
    bytesMax: answerBytesMax,
  })
  if (status !== 200) throw new Error(`Cannot introduce this node: status ${status}`)
}
