import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { enterCluster, judgeCompletion } from '../../../../agent/enroll/judge.ts'
import type { Session } from '../../../../agent/enroll/session.ts'
import { calledCompletionSchema } from '../../../../protocol/enroll-call.ts'
import { enrolled, owner } from './played-waiting.ts'
import type { running } from './running.ts'

type Gateway = Awaited<ReturnType<typeof running>>

/** A call of somebody; what it was ended with comes later. */
export async function called(t: Test, { gateway }: Gateway, localAddress = '127.0.0.1') {
  const socket = new WebSocket(`wss://127.0.0.1:${gateway.port}/v1/agent/enroll`, {
    ...{ rejectUnauthorized: false, localAddress, perMessageDeflate: false },
  })
  t.teardown(() => socket.terminate())
  const ended = once(socket, 'close').then(([code]) => code as number)
  ended.catch(() => undefined)
  await once(socket, 'open')
  return { socket, ended }
}

export const helloOf = ({ hello }: Pick<Session, 'hello'>) => JSON.stringify({ v: 1, hello })

/** What the agent does with a completion that comes over its call. */
export async function answerAs({ socket }: Awaited<ReturnType<typeof called>>, of: Session) {
  const [data] = (await once(socket, 'message')) as [Buffer]
  const { completion } = calledCompletionSchema.parse(JSON.parse(data.toString()))
  const judged = await judgeCompletion(completion, { session: of, owner: owner.address, now: new Date() })
  const body = { v: 1, ...(await enrolled(of)(enterCluster(judged))) }
  socket.send(JSON.stringify({ status: 200, body }))
}

/** Asks until the code is known: it is computed behind the hello. */
export async function asked({ ask }: Gateway, code: string) {
  for (;;) {
    const answer = await ask('GET', `/v1/node/hello?code=${code}`)
    if (answer.status !== 404) return answer
  }
}

/** The status that a wish for a WebSocket is answered with. */
export async function upgraded({ gateway }: Gateway, path: string, headers: Record<string, string> = {}) {
  const request = httpsRequest({
    ...{ host: '127.0.0.1', port: gateway.port, path, rejectUnauthorized: false, agent: false },
    headers: {
      ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
      ...{ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers },
    },
  }).end()
  const [response] = (await Promise.race([once(request, 'response'), once(request, 'upgrade')])) as [
    IncomingMessage,
  ]
  response.socket.destroy()
  return response.statusCode
}
