import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { completionSchema, enrollmentConfigSchema, signAcknowledgement } from '../../protocol/completion.ts'
import type { Acknowledgement, EnrollmentConfig } from '../../protocol/completion.ts'
import { openClaim } from '../../protocol/cluster/joining.ts'
import { signMember } from '../../protocol/cluster/member.ts'
import { sealEscrow } from '../../protocol/escrow.ts'
import type { EscrowMeta } from '../../protocol/escrow.ts'
import { formatTime, fromBase64url, toBase64url } from '../../protocol/fields.ts'
import { checkGrant } from '../../protocol/grant.ts'
import { enrollmentCode, helloHash } from '../../protocol/hello.ts'
import type { Hello } from '../../protocol/hello.ts'
import { newKeyPair } from '../../protocol/keys.ts'
import { verifyOrder } from '../../protocol/order.ts'
import { acknowledgementContext, acknowledgementRequestSchema } from '../../protocol/requests.ts'
import {
  signUnlockOffer,
  unlockContext,
  type UnlockOffer,
  unlockRequestSchema,
} from '../../protocol/unlock.ts'
import { openCompletion, openFrom, sealTo } from '../../protocol/seal.ts'
import { newNode, type TestNode } from '../protocol/cluster/sample.ts'
import { owner, ownerKey } from './support.ts'
import { publicKeyOf } from '../../protocol/wallet.ts'

/** Enrolls the node of the tests as a genesis, but for what its console shows. */
export const enrollLine = [
  'node',
  'enroll',
  '--genesis',
  '--node-ip',
  '192.0.2.7',
  '--passphrase-fd',
  '3',
  '--json',
]

export const now = new Date('2026-11-21T08:01:00Z')
export const agentToken = 'ab'.repeat(32)
export const luksUuid = '01234567-89ab-4cde-8f01-23456789abcd'
export const diskSecret = Buffer.alloc(32, 42)

/** What the test wants this node to do wrong, or to have done. */
export type Behaviour = {
  hello?: Partial<Hello>
  pageCode?: string
  /** Answers instead of the route that has this path. */
  answers?: Record<string, (response: ServerResponse) => void>
  /** Carries the completion out and cuts the connection. */
  losesAnswer?: boolean
  acknowledgement?: Partial<Acknowledgement>
  escrow?: Partial<EscrowMeta>
  offer?: { nodeId?: string; number?: number }
  /** What somebody on the way makes of its offer. */
  altered?: Partial<UnlockOffer>
  onCompletion?: () => void | Promise<void>
}

export type PlayedNode = {
  readonly port: number
  readonly nodeId: string
  readonly hello: Hello
  readonly code: string
  readonly keys: TestNode['keys']
  readonly requests: { method: string; path: string; authorization: string | undefined; body: string }[]
  readonly configs: EnrollmentConfig[]
  /** The claim words that came with them. */
  readonly claims: (string | undefined)[]
  readonly secrets: string[]
  readonly behaviour: Behaviour
}

/** A node's side of the protocol, by the protocol's own code, on a port of this machine. */
export async function playNode(
  t: { teardown: (end: () => void) => unknown },
  behaviour: Behaviour = {},
): Promise<PlayedNode> {
  const { keys, nodeId, hello: own } = newNode()
  const expires = formatTime(new Date(now.getTime() + 10 * 60_000))
  const hello: Hello = { ...own, expires, ...behaviour.hello }
  const code = await enrollmentCode(hello)
  const oneTime = newKeyPair('x25519')
  const nonce = 'AAAAAAAAAAAAAAAAAAAAAA'
  const enrolled = { cluster: '', lastOrder: 0 }
  const requests: PlayedNode['requests'] = []
  const configs: EnrollmentConfig[] = []
  const claims: PlayedNode['claims'] = []
  const secrets: string[] = []

  const acknowledge = () =>
    Buffer.from(
      JSON.stringify(
        signAcknowledgement(
          {
            v: 1,
            nodeId,
            hello: helloHash(hello),
            owner,
            cluster: enrolled.cluster,
            luksUuid,
            agentToken,
            wireguard: { publicKey: hello.wireguard, address: '10.0.0.1' },
            ...behaviour.acknowledgement,
          },
          keys.identity.privateKey,
        ),
      ),
    )
  const order = (signed: { text: string; signature: string }, action: 'unlock' | 'acknowledge') => {
    const expected = { nodeId, owner, action, lastNumber: enrolled.lastOrder, now }
    const checked = verifyOrder(signed, expected)
    enrolled.lastOrder = checked.number
    return checked
  }
  const complete = async (body: string) => {
    const completion = completionSchema.parse(JSON.parse(body))
    await checkGrant(completion.grant, { hello, now, owner })
    const enrollmentPrivate = keys.enrollment.privateKey
    const opened = openCompletion({
      hello,
      grantText: completion.grant.text,
      enrollmentPrivate,
      ...completion,
    })
    const config = enrollmentConfigSchema.parse(JSON.parse(opened.plaintext.toString()))
    configs.push(config)
    const { claim, grant } = completion
    claims.push(claim === undefined ? claim : openClaim(claim, { grant, enrollmentPrivate }))
    enrolled.cluster = config.cluster
    await behaviour.onCompletion?.()
    const { address } = config.wireguard
    const member = signMember({ hello, grant: completion.grant, address }, keys.lease.privateKey)
    return behaviour.losesAnswer === true ? undefined : { v: 1, box: opened.sealReply(acknowledge()), member }
  }
  const repeat = (body: string) => {
    const request = acknowledgementRequestSchema.parse(JSON.parse(body))
    if (order(request.order, 'acknowledge').arguments['ephemeral'] !== request.ephemeral)
      throw new Error('unbound')
    return { box: sealTo(fromBase64url(request.ephemeral), acknowledgementContext, acknowledge()) }
  }
  const offer = () => {
    const meta = { cluster: enrolled.cluster, nodeId, luksUuid, number: 1, owner, ...behaviour.escrow }
    const escrow = sealEscrow(diskSecret, publicKeyOf(ownerKey), meta)
    const oneTimeKey = toBase64url(oneTime.publicKey)
    const facts = { nodeId, escrow, oneTimeKey, nonce, number: enrolled.lastOrder, ...behaviour.offer }
    return { ...signUnlockOffer(facts, keys.identity.privateKey), ...behaviour.altered }
  }
  const unlock = (body: string) => {
    const request = unlockRequestSchema.parse(JSON.parse(body))
    if (order(request.order, 'unlock').arguments['nonce'] !== nonce) throw new Error('unbound')
    secrets.push(openFrom(oneTime.privateKey, unlockContext({ nodeId, nonce }), request.box).toString('hex'))
    return { status: 'unlocked' }
  }
  const routes: Record<string, (body: string) => unknown> = {
    'GET /': () => ({ code: behaviour.pageCode ?? code, expires: hello.expires, hello }),
    'POST /v1/agent/enroll/complete': complete,
    'POST /v1/agent/acknowledgement': repeat,
    'GET /v1/agent/unlock': offer,
    'POST /v1/agent/unlock': unlock,
  }
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = []
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
    const body = Buffer.concat(parts).toString()
    const { method = '', url = '' } = request
    requests.push({ method, path: url, authorization: request.headers.authorization, body })
    const name = `${method} ${url.split('?')[0] ?? ''}`
    const instead = behaviour.answers?.[name]
    if (instead !== undefined) {
      instead(response)
      return
    }
    const answer = await routes[name]?.(body)
    if (answer === undefined) response.destroy()
    else response.end(JSON.stringify(answer))
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.writeHead(403).end(JSON.stringify({ error: String(error), hint: 'ask the test' }))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, nodeId, hello, code, keys, requests, configs, claims, secrets, behaviour }
}

/** An answer with a status and a JSON body, for `answers`. */
export function answer(status: number, body: unknown): (response: ServerResponse) => void {
  return response => {
    response.writeHead(status).end(JSON.stringify(body))
  }
}
