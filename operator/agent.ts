import { z } from 'zod'
import { errorSchema } from '../protocol/requests.ts'
import { Failure, printable } from './failure.ts'
import type { HttpAnswer, HttpRequest } from './http.ts'
import { wireguardAddress } from './node-file.ts'
import type { NodeFile } from './node-file.ts'
import { waiting } from './waiting.ts'
import type { World } from './world.ts'

export const agentPort = 9998

/** What is asked of a node and the schema of its answer. */
export type Question<T> = Omit<HttpRequest, 'timeoutMs' | 'bytesMax'> & {
  readonly answer: z.ZodType<T>
  /** 15 s unless told otherwise; a gateway between has some more, so that it can say who does not answer. */
  readonly timeoutMs?: number
  /** Who refuses, where somebody does: the node unless told otherwise. */
  readonly who?: Asked
}

export type Asked = 'node' | 'gateway' | 'node or its gateway'

const answerBytesMax = 256 * 1024
const gatewayMs = 10_000

/** Asks a node. Throws Failure: 'unreachable', 'refused' with the node's own words, 'failed' for a strange answer. */
export async function askNode<T>(world: World, question: Question<T>): Promise<T> {
  const { answer: schema, who, ...request } = question
  const timeoutMs = (question.timeoutMs ?? 15_000) + (who === 'node or its gateway' ? gatewayMs : 0)
  const answer = await waitingForNode(world, { ...request, timeoutMs, bytesMax: answerBytesMax }, what =>
    world.http(what),
  )
  if (answer.status !== 200 && answer.status !== 201) throw refusal(answer, who)
  try {
    return schema.parse(JSON.parse(answer.body))
  } catch (cause) {
    throw new Failure('failed', `Cannot understand the answer of ${question.url}`, { cause })
  }
}

/** Sends a request, and says after a second who has not answered yet and how long that is waited for. */
export function waitingForNode<T>(
  world: World,
  request: HttpRequest,
  send: (request: HttpRequest) => Promise<T>,
): Promise<T> {
  const { url, timeoutMs } = request
  const what = `Waiting for ${new URL(url).host}, ${timeoutMs / 1000} s at most`
  return waiting(world, what, () => send(request))
}

/** The URL of an agent's route, on its WireGuard address. Throws Failure 'usage' for a node that has none yet. */
export function agentUrl(node: NodeFile, path: string): string {
  const address = wireguardAddress(node)
  if (address !== undefined) return `http://${address}:${agentPort}/v1/agent/${path}`
  throw new Failure('usage', `Node ${node.nodeId} has no address yet`, {
    hint: 'Run the command again that began its enrollment',
  })
}

/** The header that proves that the operator knows the agent's token. */
export function bearer(node: {
  readonly enrolled: { readonly agentToken: string }
}): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${node.enrolled.agentToken}` }
}

/** An answer other than a success as a Failure. */
export function refusal(answer: HttpAnswer, who: Asked = 'node'): Failure {
  const said = errorSchema.safeParse(tryJson(answer.body))
  const why = said.success ? printable(said.data.error) : `status ${answer.status}`
  const more = { status: answer.status, hint: said.success ? said.data.hint : undefined }
  if (silent.includes(answer.status)) return new Failure('unreachable', `The gateway says: ${why}`, more)
  return new Failure('refused', `The ${who} refused: ${why}`, more)
}

/** Of a node behind the gateway, which cannot be reached, or takes too long. */
const silent: readonly number[] = [502, 504]

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
