import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { callSilenceMs, frameBytesMax } from '../../../protocol/enroll-call.ts'
import { checkHelloTime, type Hello } from '../../../protocol/hello.ts'
import { HttpError } from '../../../http/error.ts'
import { type Rate, rateLimiter } from '../rate-limit.ts'
import { refuseUpgrade } from '../refuse-upgrade.ts'
import { slots } from '../slots.ts'
import { type Call, endings, hearCall } from './call.ts'
import { codeQueue } from './codes.ts'
import type { WaitingNodes } from './waiting.ts'

export type CallDesk = WaitingNodes & {
  /** Takes over a connection that wants to speak WebSocket, or refuses it. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Cuts all calls: a server does not end while there are any. */
  readonly close: () => void
}

export type CallLimits = {
  readonly callsMax: { readonly all: number; readonly perKey: number }
  readonly silenceMs: number
  readonly helloMs: number
  readonly closeMs: number
  /** Of an address: each new hello costs a slow hash. */
  readonly hellos: Rate
}

const fallback: CallLimits = {
  // A site behind one address may have several machines that wait.
  callsMax: { all: 256, perKey: 16 },
  silenceMs: callSilenceMs,
  helloMs: 10_000,
  closeMs: 2000,
  hellos: { perSecond: 1 / 30, burst: 32, keysMax: 1024 },
}

export type CallsWith = {
  readonly now: () => Date
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs?: () => number
  readonly limits?: Partial<CallLimits>
}

export const callPath = '/v1/agent/enroll'

/** Where nodes call that wait for their owner: docs/enrollment.md. */
export function callDesk({ now, nowMs = () => performance.now(), ...given }: CallsWith): CallDesk {
  const limits = { ...fallback, ...given.limits }
  const places = slots(limits.callsMax)
  const pace = rateLimiter(limits.hellos, nowMs)
  const codeOf = codeQueue()
  const codes = new Map<Call, string>()
  /** Those that nodes can be asked over; a call that ended may stay open for a moment. */
  const calls = new Set<Call>()
  const open = new Set<Call>()
  const server = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false },
    maxPayload: frameBytesMax.fromNode,
  })
  const greet = (call: Call, hello: Hello, from: string) => {
    checkHelloTime(hello, now())
    if (pace.take(from) > 0) throw new HttpError(429, 'too many hellos', 'wait')
    takeOver(call, hello, calls)
    codes.delete(call)
    codeOf(hello).then(
      code => {
        if (calls.has(call) && call.hello() === hello) codes.set(call, code)
      },
      () => {
        call.end(endings.busy, 'too many nodes call')
      },
    )
  }
  const begin = (socket: WebSocket, from: string) => {
    const call = hearCall(socket, {
      ...limits,
      onHello: (of, hello) => {
        greet(of, hello, from)
      },
      onEnd: of => {
        calls.delete(of)
        codes.delete(of)
      },
    })
    calls.add(call)
    open.add(call)
    socket.on('close', () => open.delete(call))
  }
  return {
    upgrade: (request, socket, head) => {
      const from = request.socket.remoteAddress ?? ''
      try {
        if (request.url !== callPath) throw new HttpError(404, 'no such path', `nodes call ${callPath}`)
        socket.once('close', places.take(from))
      } catch (cause) {
        refuseUpgrade(socket, cause)
        return
      }
      server.handleUpgrade(request, socket, head, ws => {
        begin(ws, from)
      })
    },
    helloOf: code => [...codes].find(([, one]) => one === code)?.[0].hello(),
    complete: ({ completion, hello }, signal) =>
      [...calls].find(call => call.hash() === hello)?.complete(completion, signal),
    close: () => {
      for (const call of open) call.cut()
    },
  }
}

/**
 * A node that has lost its connection calls anew while the gateway still has the old call: the newest counts. But
 * anybody can say a hello, it is shown to all: while the node is being enrolled nobody gets between.
 */
function takeOver(call: Call, { identity }: Hello, calls: ReadonlySet<Call>): void {
  for (const other of calls) {
    if (other === call || other.hello()?.identity !== identity) continue
    if (other.isBusy()) throw new HttpError(409, 'this node is being enrolled over another call', 'wait')
    other.end(endings.replaced, 'the node has called again')
  }
}
