import type { NewsMessage } from '../../../protocol/cluster/news.ts'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { openShareStore } from '../../../agent/guardian/share-store.ts'
import { serveGuardian } from '../../../agent/guardian/socket.ts'
import { closeHttp, serveHttp } from '../../../http/server.ts'
import { emptyMembership, merge, present } from '../../../protocol/cluster/membership.ts'
import { fromBase64url, toBase64url } from '../../../protocol/fields.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { openFrom, sealTo } from '../../../protocol/seal.ts'
import { type EpochId, newEpochId } from '../../../protocol/shares/epoch.ts'
import {
  depositContext,
  type GuardianSession,
  releaseContext,
  type ReleaseRequest,
  releaseRefusalSchema,
  sessionSchema,
  type SignedRelease,
  type SignedStatement,
  signRelease,
  signStatement,
  type Statement,
} from '../../../protocol/shares/guardian.ts'
import type { MemberList } from '../../../protocol/shares/store.ts'
import { guardianRoutes } from '../../../services/guardian/routes.ts'
import { newSession } from '../../../services/guardian/sessions.ts'
import { storeClient } from '../../../services/guardian/store-client.ts'
import { someShare } from '../../agent/guardian/store-samples.ts'
import { socketPath, unheard } from '../../http/serving.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  type TestNode,
} from '../../protocol/cluster/sample.ts'
import { type Clock, newClock } from './clock.ts'

export { cluster }
export const guardian = newNode()
export const [first, second, third] = [newEpochId(1), newEpochId(2), newEpochId(3)]
/** Of the loopback network, so that each node has an address of its own. */
export const addresses = { guardian: '127.0.0.1', alice: '127.0.0.2', bob: '127.0.0.3' } as const

export type Answer = { readonly status: number; readonly body: Record<string, unknown> }

/** A guardian as it will run: routes, Unix socket, store; with a clock and a token of the test. */
export type GuardianBench = {
  readonly clock: Clock
  readonly lines: string[]
  /** What the agent knows of the members; a test may change it. */
  list: MemberList
  readonly alice: Node
  readonly bob: Node
  /** Ends it and starts it anew, with what it wrote and nothing else. */
  readonly restart: () => Promise<void>
  /** As if its agent had gone. */
  readonly endStore: () => Promise<void>
  readonly ask: (
    from: string,
    asked: readonly [method: string, path: string],
    body?: unknown,
  ) => Promise<Answer>
}

/** Past the first 20 seconds, unless told otherwise. */
export async function guardianBench(t: Test, { upMs = 20_000, box = undefined as Buffer | undefined } = {}) {
  const clock = newClock()
  const lines: string[] = []
  const [alice, bob] = [newNode(), newNode()]
  const key = randomBytes(32)
  let token = box
  let running = await start()
  clock.ms += upMs

  async function start(): Promise<{ port: number; service: Server; agent: Server }> {
    const store = openShareStore({
      cluster,
      nodeId: guardian.nodeId,
      key,
      read: () => token,
      write: async bytes => void (token = await Promise.resolve(bytes)),
      after: (_, act) => setImmediate(act),
    })
    const path = await socketPath(t)
    const exchange = (message: NewsMessage) => Promise.resolve(message)
    const side = { store, members: () => bench.list, exchange }
    const agent = await serveGuardian(side, { path, report: unheard })
    const log = (line: string) => void lines.push(line)
    const session = newSession({ id: randomBytes(16), keys: newKeyPair('x25519') })
    const client = storeClient({ socketPath: path, log })
    const routes = guardianRoutes({ store: client, session, nowMs: clock.nowMs, random: randomBytes, log })
    const report = (error: unknown) => void lines.push(String(error))
    const service = await serveHttp({ address: addresses.guardian, port: 0, routes, report })
    return { service, agent, port: (service.address() as AddressInfo).port }
  }
  async function end(): Promise<void> {
    await Promise.all([closeHttp(running.service), closeHttp(running.agent)])
  }
  t.teardown(() => end())
  const ask: GuardianBench['ask'] = async (localAddress, [method, path], body) => {
    const { port } = running
    const request = httpRequest({ port, host: addresses.guardian, localAddress, method, path, agent: false })
    const answered = once(request, 'response')
    request.end(typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body))
    const [response] = (await answered) as [IncomingMessage]
    const parsed = JSON.parse(await text(response)) as Record<string, unknown>
    return { status: response.statusCode ?? 0, body: parsed }
  }
  const bench: GuardianBench = {
    clock,
    lines,
    list: memberList(alice, bob),
    alice: nodeOf(alice, addresses.alice, ask),
    bob: nodeOf(bob, addresses.bob, ask),
    restart: async () => {
      await end()
      running = await start()
    },
    endStore: () => closeHttp(running.agent),
    ask,
  }
  return bench
}

/** A guardian that holds a share of Alice, of this epoch. */
export async function holding(t: Test, options?: Parameters<typeof guardianBench>[1]) {
  const bench = await guardianBench(t, options)
  const share = someShare()
  t.match(await bench.alice.deposit(first, share), { status: 200, body: { holds: [first] } })
  return { ...bench, bench, share }
}

/** An answer that has to be a refusal. */
export const refusal = ({ status, body }: Answer) => ({ status, ...releaseRefusalSchema.parse(body) })

/** The cluster of the guardian and two nodes that joined it, every record checked. */
function memberList(alice: TestNode, bob: TestNode): MemberList {
  const known = emptyMembership({ cluster, authority: authority.address })
  const members = [
    genesisRecord({ node: guardian, address: addresses.guardian }),
    joinRecord({ node: alice, address: addresses.alice }),
    joinRecord({ node: bob, address: addresses.bob }),
  ]
  const { membership, refusals } = merge(known, { members, departures: [] })
  if (refusals.length > 0) throw new Error(JSON.stringify(refusals))
  const listed = present(membership).map(({ nodeId, address, hello }) => ({ nodeId, address, hello }))
  return { cluster, nodeId: guardian.nodeId, members: listed }
}

type Kind = Statement['kind']
type Common = 'kind' | 'cluster' | 'node' | 'guardian' | 'session' | 'number'
type Fields<K extends Kind> = Omit<Extract<Statement, { kind: K }>, Common>

/** A node as its guardian meets it. */
export type Node = TestNode & {
  readonly address: string
  readonly session: () => Promise<GuardianSession>
  /** A statement of this session, with the next number. */
  readonly stated: <K extends Kind>(kind: K, fields: Fields<K>) => Promise<SignedStatement>
  readonly state: <K extends Kind>(kind: K, fields: Fields<K>) => Promise<Answer>
  readonly deposit: (epoch: EpochId, share: Uint8Array, keep?: readonly EpochId[]) => Promise<Answer>
  /** A request with a new nonce; `changes` before it is signed. */
  readonly asking: (
    epoch: EpochId,
    changes?: Partial<ReleaseRequest>,
    by?: 'node' | 'original',
  ) => Promise<{ readonly signed: SignedRelease; readonly open: (answer: Answer) => Buffer }>
  readonly release: (
    epoch: EpochId,
    changes?: Partial<ReleaseRequest>,
    by?: 'node' | 'original',
  ) => Promise<Answer & { readonly share?: Buffer }>
  readonly post: (path: 'statement' | 'release', body: unknown, from?: string) => Promise<Answer>
}

function nodeOf(node: TestNode, address: string, ask: GuardianBench['ask']): Node {
  const { nodeId, keys } = node
  const session = async () =>
    sessionSchema.parse((await ask(address, ['GET', `/v1/guardian/session?node=${nodeId}`])).body)
  const post: Node['post'] = (path, body, from = address) => ask(from, ['POST', `/v1/guardian/${path}`], body)
  const stated: Node['stated'] = async (kind, fields) => {
    const at = await session()
    const common = {
      cluster,
      node: nodeId,
      guardian: at.guardian,
      session: at.session,
      number: at.number + 1,
    }
    return signStatement({ kind, ...common, ...fields } as Statement, keys.lease.privateKey)
  }
  const asking: Node['asking'] = async (epoch, changes = {}, by = 'node') => {
    const at = await session()
    const pair = newKeyPair('x25519')
    const request: ReleaseRequest = {
      cluster,
      node: nodeId,
      guardian: at.guardian,
      epoch,
      nonce: at.nonce,
      bootId: 'ab'.repeat(16),
      oneTimeKey: toBase64url(pair.publicKey),
      release: { counter: 3, floor: 2 },
      ...changes,
    }
    const lease = by === 'original' ? keys.lease.privateKey : undefined
    const signed = signRelease(request, { identity: keys.identity.privateKey, lease })
    const open = ({ body }: Answer) => openFrom(pair.privateKey, releaseContext(request), String(body['box']))
    return { signed, open }
  }
  return {
    ...node,
    address,
    session,
    post,
    stated,
    state: async (kind, fields) => post('statement', await stated(kind, fields)),
    deposit: async (epoch, share, keep = []) => {
      const at = await session()
      const context = depositContext({ node: nodeId, guardian: at.guardian, session: at.session, epoch })
      const box = sealTo(fromBase64url(at.key), context, share)
      return post('statement', await stated('deposit', { epoch, keep, box }))
    },
    asking,
    release: async (...asked) => {
      const { signed, open } = await asking(...asked)
      const answer = await post('release', signed)
      return answer.status === 200 ? { ...answer, share: open(answer) } : answer
    },
  }
}
