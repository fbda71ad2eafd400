import { setTimeout as sleep } from 'node:timers/promises'
import type { RawData, WebSocket } from 'ws'
import { parseJson } from '../../http/body.ts'
import { HttpError } from '../../http/error.ts'
import { calledCompletionSchema } from '../../protocol/enroll-call.ts'
import type { Hello } from '../../protocol/hello.ts'
import { describe, log } from '../system/log.ts'
import type { Complete } from './desk.ts'

export type CallOf = {
  /** Of the session that is on offer now. */
  readonly hello: () => Hello
  /** The desk's, which port 9999 has too: both share its pace. */
  readonly complete: Complete
  readonly times: {
    /** How often it is looked whether the keys have changed, and whether the gateway was heard. */
    readonly lookMs: number
    readonly pingMs: number
    readonly silenceMs: number
  }
}

/** What close frames say, as RFC 6455 has it. */
const closings = { normal: 1000, binary: 1003, garbage: 1007, policy: 1008 } as const
/** For the last answer to leave, and the gateway to say good-bye. */
const closeMs = 2000

/**
 * One call, from its handshake on: says who waits here, and again when the keys have changed, and answers completions.
 * Resolves with the reason when it is over; an abort ends it after what is being answered. Never rejects.
 */
export async function converse(socket: WebSocket, of: CallOf, signal: AbortSignal): Promise<string> {
  const { lookMs } = of.times
  const closed = new Promise(resolve => socket.once('close', resolve))
  const speaker = speakerOf(socket, of)
  const listening = listen(socket, of, speaker.heard)
  socket.on('open', speaker.greet)
  const looking = setInterval(speaker.look, lookMs)
  const hangUp = () => void listening.idle().then(() => endCall(socket, closings.normal))
  signal.addEventListener('abort', hangUp)
  try {
    await closed
    return speaker.trouble() ?? listening.trouble() ?? 'the gateway hung up'
  } finally {
    clearInterval(looking)
    signal.removeEventListener('abort', hangUp)
  }
}

/** The node's own part: hello and pings. */
function speakerOf(socket: WebSocket, { hello, times }: CallOf) {
  let said: Hello | undefined
  let why: string | undefined
  let heardMs = performance.now()
  let pingedMs = heardMs
  const greet = () => {
    const own = hello()
    if (socket.readyState !== socket.OPEN || own === said) return
    said = own
    socket.send(JSON.stringify({ v: 1, hello: own }))
  }
  const look = () => {
    if (socket.readyState !== socket.OPEN) return
    const nowMs = performance.now()
    if (nowMs - heardMs > times.silenceMs) {
      why = 'the gateway is silent'
      socket.terminate()
      return
    }
    greet()
    if (nowMs - pingedMs < times.pingMs) return
    pingedMs = nowMs
    socket.ping()
  }
  return { greet, look, heard: () => (heardMs = performance.now()), trouble: () => why }
}

/** The gateway's part: one completion at a time. */
function listen(socket: WebSocket, { complete }: CallOf, heard: () => unknown) {
  let answering: Promise<void> | undefined
  let why: string | undefined
  const refuse = (code: number, reason: string) => {
    why ??= reason
    void endCall(socket, code)
  }
  const answer = async (data: RawData) => {
    const said = await answerTo(data as Buffer, complete)
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(said))
    if (said.status === 400) refuse(closings.garbage, 'the gateway does not speak our language')
  }
  for (const event of ['open', 'ping', 'pong'] as const) socket.on(event, heard)
  socket.on('error', cause => (why ??= describe(cause)))
  socket.on('message', (data, isBinary) => {
    heard()
    if (isBinary) refuse(closings.binary, 'the gateway sent bytes')
    else if (answering !== undefined) refuse(closings.policy, 'the gateway did not wait for an answer')
    else answering = answer(data).finally(() => (answering = undefined))
  })
  return { idle: async () => answering, trouble: () => why }
}

type Said = { readonly status: number; readonly body: object | string | Buffer }

async function answerTo(data: Buffer, complete: Complete): Promise<Said> {
  try {
    const { completion } = parseJson(data, calledCompletionSchema)
    const { status = 200, body } = await complete(completion, 'the gateway')
    return { status, body }
  } catch (error) {
    if (error instanceof HttpError)
      return { status: error.status, body: { error: error.message, hint: error.hint } }
    log(`enrollment: failed: ${describe(error)}`)
    return { status: 500, body: { error: 'internal error', hint: 'the log says more' } }
  }
}

/** Closes; one that does not answer that is cut off. */
async function endCall(socket: WebSocket, code: number): Promise<void> {
  socket.close(code)
  await sleep(closeMs, undefined, { ref: false })
  socket.terminate()
}
