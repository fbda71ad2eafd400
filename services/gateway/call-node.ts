import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { HttpError } from '../../http/error.ts'
import { endUnlessConnected } from '../../http/exchange.ts'
import type { ClusterNode } from './choose-node.ts'

export type Caller = {
  /** A copy of a node's agent token, 32 bytes, which is wiped here; undefined where the gateway has none. */
  readonly tokenOf: (nodeId: string) => Promise<Buffer | undefined>
  /** Of the agents: 9998. */
  readonly port?: number
  /** For a connection: a node that is off takes none, and nothing says so. 8 s unless told otherwise. */
  readonly connectMs?: number
  /** For an answer to come, and to be whole if it has an end; 15 s unless told otherwise. */
  readonly answerMs?: number
}

export type Call = {
  readonly node: ClusterNode
  readonly method: 'GET' | 'POST'
  /** Path and query, made by the gateway itself. */
  readonly path: string
  /** JSON. */
  readonly body?: string
  /** Asked without the node's token: an order in the body has to do. */
  readonly tokenless?: true
  /** For the audit, where it asks for more than a look. */
  readonly what?: string
  /** Of the client: when it goes, the call ends. */
  readonly signal: AbortSignal
  /** Where the answer may take longer than others. */
  readonly answerMs?: number
}

/** What a node answered: no more of its headers than the type. */
export type Answer = {
  readonly status: number
  readonly type: string
  readonly stream: IncomingMessage
}

/**
 * Calls the agent of a node and hands its answer to `use`, which has the rest of the time to read it, unless it says
 * with `untimed` that the answer has no end. Throws HttpError: 503 without a token, 502 for a node that is not there
 * or breaks off, 504 for one that is too slow.
 */
export async function callNode<T>(
  caller: Caller,
  call: Call,
  use: (answer: Answer, untimed: () => void) => Promise<T>,
): Promise<T> {
  const token = call.tokenless === true ? undefined : await caller.tokenOf(call.node.nodeId)
  if (token === undefined && call.tokenless !== true)
    throw new HttpError(503, 'the gateway has no token of this node', 'it comes when its own gateway starts')
  const late = new AbortController()
  const timer = setTimeout(
    () => {
      late.abort()
    },
    call.answerMs ?? caller.answerMs ?? answerMs,
  )
  const untimed = () => {
    clearTimeout(timer)
  }
  try {
    const signal = AbortSignal.any([call.signal, late.signal])
    return await use(await askNode({ ...call, signal }, caller, token), untimed)
  } catch (cause) {
    if (cause instanceof HttpError) throw cause
    if (late.signal.aborted)
      throw new HttpError(504, 'the node does not answer in time', 'it may be busy: try again')
    throw unreachable(cause)
  } finally {
    untimed()
  }
}

const agentPort = 9998
const answerMs = 15_000
/** A first handshake of WireGuard that is lost is made again after five seconds. */
const connectMs = 8000
const headerBytesMax = 8192

async function askNode(call: Call, caller: Caller, token: Buffer | undefined): Promise<Answer> {
  const request = open(call, caller.port ?? agentPort, token)
  const connecting = endUnlessConnected(request, { connectMs: caller.connectMs ?? connectMs })
  const stream = await answerTo(request, call.body).finally(() => {
    clearTimeout(connecting)
  })
  const { statusCode = 0, headers } = stream
  if (statusCode < 200 || statusCode > 599) {
    stream.destroy()
    throw new HttpError(502, 'the answer of the node makes no sense', 'look at its console')
  }
  return { status: statusCode, type: headers['content-type'] ?? 'application/octet-stream', stream }
}

/** Wipes the token, which is text in the header of this request alone: node:http takes no bytes there. */
function open(
  { node, method, path, body, signal }: Call,
  port: number,
  token: Buffer | undefined,
): ClientRequest {
  const bearer = token === undefined ? {} : { authorization: `Bearer ${token.toString('hex')}` }
  token?.fill(0)
  const ofBody =
    body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  return httpRequest({
    host: node.address,
    port,
    method,
    path,
    headers: { ...bearer, ...ofBody },
    agent: false,
    maxHeaderSize: headerBytesMax,
    signal,
  })
}

function answerTo(request: ClientRequest, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    // A node that wants to speak another protocol; unheard, nothing would come any more.
    request.once('upgrade', (_, socket) => {
      socket.destroy()
      reject(new Error('the node wants another protocol'))
    })
    // For good: one that comes after the answer has begun is heard by its reader as well.
    request.on('error', reject)
    request.end(body)
  })
}

function unreachable(cause: unknown): HttpError {
  const error = new HttpError(
    502,
    'the node cannot be reached',
    'it may be switched off, or its WireGuard peer is down: see its console',
  )
  error.cause = cause
  return error
}
