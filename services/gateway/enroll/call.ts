import type { WebSocket } from 'ws'
import { calledAnswerSchema, enrollCallSchema } from '../../../protocol/enroll-call.ts'
import { type Hello, helloHash } from '../../../protocol/hello.ts'
import type { Completion } from '../../../protocol/completion.ts'
import { HttpError } from '../../../http/error.ts'
import type { NodeAnswer } from './waiting.ts'

/** A node that has called and waits. */
export type Call = {
  /** What the node said of itself last; undefined until it has. */
  readonly hello: () => Hello | undefined
  /** Hash of that hello. */
  readonly hash: () => string | undefined
  /** True while a completion is on its way and not answered. */
  readonly isBusy: () => boolean
  /** Rejects when the call ends first, or the signal says so. */
  readonly complete: (completion: Completion, signal: AbortSignal) => Promise<NodeAnswer>
  /** Says why, by a status code of WebSocket, and hangs up: at once for the gateway, while the node may be silent. */
  readonly end: (code: number, why: string) => void
  /** Hangs up at once. */
  readonly cut: () => void
}

export type CallEvents = {
  /** A hello that is new in this call; what it throws ends the call. */
  readonly onHello: (call: Call, hello: Hello) => void
  /** From here on there is nobody to ask. Also called twice. */
  readonly onEnd: (call: Call) => void
  readonly silenceMs: number
  /** For the first hello to come. */
  readonly helloMs: number
  /** For the node to say good-bye as well. */
  readonly closeMs: number
}

/** The status codes of RFC 6455 that a call may end with. */
export const endings = { replaced: 1000, form: 1003, refused: 1008, busy: 1013 } as const

/** Listens to a node on its WebSocket. Nothing that it says is believed, and nothing is answered but by ending it. */
export function hearCall(socket: WebSocket, events: CallEvents): Call {
  let hello: Hello | undefined
  let hash: string | undefined
  let pending: PromiseWithResolvers<NodeAnswer> | undefined
  let isEnded = false
  const end = (code: number, why: string) => {
    if (isEnded) return
    isEnded = true
    events.onEnd(call)
    socket.close(code, why)
    setTimeout(call.cut, events.closeMs).unref()
  }
  const call: Call = {
    hello: () => hello,
    hash: () => hash,
    isBusy: () => pending !== undefined,
    end,
    cut: () => {
      socket.terminate()
    },
    complete: async (completion, signal) => {
      if (pending !== undefined)
        throw new HttpError(409, 'the node is being enrolled', 'wait for the end of that')
      pending = Promise.withResolvers<NodeAnswer>()
      try {
        return await sent(socket, completion, { pending, signal })
      } finally {
        pending = undefined
      }
    },
  }
  const hear = (text: string) => {
    const value: unknown = JSON.parse(text)
    const answer = calledAnswerSchema.safeParse(value).data
    if (answer !== undefined && pending !== undefined) {
      pending.resolve(answer)
      return
    }
    if (isEnded) return
    const next = enrollCallSchema.parse(value).hello
    const nextHash = helloHash(next)
    if (nextHash === hash) return
    events.onHello(call, next)
    hello = next
    hash = nextHash
  }
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) end(endings.form, 'text frames only')
    else
      attempt(call, () => {
        hear(data.toString())
      })
  })
  socket.on('close', () => {
    events.onEnd(call)
    pending?.reject(new Error('Cannot go on: the node ended its call'))
  })
  // What went wrong ends the call, and that is all there is to know.
  socket.on('error', () => {
    end(endings.form, 'not understood')
  })
  watch(socket, events, () => hello !== undefined)
  return call
}

function attempt(call: Call, act: () => void): void {
  try {
    act()
  } catch (cause) {
    if (cause instanceof HttpError) call.end(endings.busy, cause.message)
    else call.end(endings.refused, cause instanceof RangeError ? cause.message : 'not understood')
  }
}

async function sent(
  socket: WebSocket,
  completion: Completion,
  { pending, signal }: { readonly pending: PromiseWithResolvers<NodeAnswer>; readonly signal: AbortSignal },
): Promise<NodeAnswer> {
  const late = () => {
    pending.reject(new Error('Cannot wait any longer for the node'))
  }
  signal.addEventListener('abort', late, { once: true })
  socket.send(JSON.stringify({ completion }), error => {
    if (error) pending.reject(error)
  })
  try {
    return await pending.promise
  } finally {
    signal.removeEventListener('abort', late)
  }
}

/** Cuts a call on which nothing is heard, or that does not say who calls. */
function watch(socket: WebSocket, { silenceMs, helloMs }: CallEvents, knows: () => boolean): void {
  const silence = setTimeout(() => {
    socket.terminate()
  }, silenceMs)
  const introduction = setTimeout(() => {
    if (!knows()) socket.terminate()
  }, helloMs)
  const heard = () => silence.refresh()
  socket.on('message', heard).on('ping', heard).on('pong', heard)
  socket.on('close', () => {
    clearTimeout(silence)
    clearTimeout(introduction)
  })
}
