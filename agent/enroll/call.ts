import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientOptions } from 'ws'
import { callPingMs, callSilenceMs, frameBytesMax } from '../../protocol/enroll-call.ts'
import { isAborted } from '../system/abort.ts'
import { backoffMs } from '../system/backoff.ts'
import { webSocket } from '../system/late.ts'
import { tolerate } from '../system/log.ts'
import { type CallOf, converse } from './conversation.ts'

export type GatewayCall = {
  /** As the operator file names it: https://… */
  readonly gateway: string
  readonly log: (line: string) => void
  /** 0 ≤ x < 1. */
  readonly random: () => number
  /** Milliseconds from the end of a call to the next one: `callDelayMs`, unless told otherwise. */
  readonly delayMs?: typeof callDelayMs
} & Omit<CallOf, 'times'> & { readonly times?: CallOf['times'] }

export type Call = {
  /** Hangs up, after what is being answered was answered; there are no more calls. */
  readonly end: () => Promise<void>
}

/** Calls the gateway that the operator file names, and again whenever the call ends, so that it can enroll this node. */
export function callGateway(of: GatewayCall): Call {
  const ended = new AbortController()
  // Port 9999 goes on without it; unheard, a fault of it would end the agent.
  const calling = keepCalling(of, ended.signal).catch(tolerate('call to the gateway'))
  return {
    end: async () => {
      ended.abort()
      await calling
    },
  }
}

const delays = { minMs: 1000, maxMs: 60_000 }

/** Doubles with each call in a row that failed, from 1 to 60 s; up to half of it is left to chance. */
export function callDelayMs(failures: number, random: number): number {
  return Math.max(delays.minMs, backoffMs(delays, failures, random))
}

/** How long a node lives with a call before its failures are forgotten. */
const goodCallMs = callSilenceMs
const usualTimes = { lookMs: 1000, pingMs: callPingMs, silenceMs: callSilenceMs }

async function keepCalling(of: GatewayCall, signal: AbortSignal): Promise<void> {
  const { delayMs = callDelayMs, times = usualTimes } = of
  const url = callUrl(of.gateway)
  const Socket = await webSocket()
  let failures = 0
  let last = ''
  while (!isAborted(signal)) {
    const beganMs = performance.now()
    const why = await converse(new Socket(url, options), { ...of, times }, signal)
    if (isAborted(signal)) return
    failures = performance.now() - beganMs < goodCallMs ? failures + 1 : 0
    // Each reason once: a gateway that is off for days must not push the code off the screen.
    if (why !== last) of.log(`enrollment: the call to the gateway has ended: ${why}`)
    last = why
    await sleep(delayMs(failures, of.random()), undefined, { signal }).catch(() => undefined)
  }
}

function callUrl(gateway: string): URL {
  const url = new URL('/v1/agent/enroll', gateway)
  url.protocol = 'wss:'
  return url
}

/**
 * Whose certificate it is does not matter: nobody is believed who answers. The hello is public; a completion has to
 * have its owner's grant and claim word, as on port 9999, where there is no TLS at all.
 */
const options: ClientOptions = {
  rejectUnauthorized: false,
  perMessageDeflate: false,
  maxPayload: frameBytesMax.fromGateway,
  handshakeTimeout: 20_000,
  minVersion: 'TLSv1.3',
}
