import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { sessionSchema } from '../../../operator/session.ts'
import { inviteKey, parseInvite, tokenHash } from '../../../protocol/cluster/invite.ts'
import { joinOfferSchema } from '../../../protocol/cluster/joining.ts'
import { challengeSchema, composeLogin } from '../../../protocol/login.ts'
import { statusSchema } from '../../../protocol/status.ts'
import { signText } from '../../../protocol/wallet.ts'
import { gatewayName } from '../../../services/gateway/certificate.ts'
import { signToken } from '../../../services/gateway/jwt.ts'
import { signInKeys } from '../../../services/gateway/sign-in.ts'
import { type Invited, newWaiting, requestFor } from '../../services/gateway/enroll/played-waiting.ts'
import { addEnvironment, certificateOf } from '../support/environment.ts'
import { askGateway, untilHealthy } from '../support/gateway-port.ts'
import { bootMs, must, type Site } from '../support/node.ts'
import { untilReady } from '../support/status.ts'
import { nodeFile, walletKey } from '../support/wallet-file.ts'

const audience = `https://${gatewayName}`
const environment = 'home'

/** Operators reach the node from outside of WireGuard, by the gateway that runs on it. */
export async function useGateway(t: Test, site: Site): Promise<void> {
  const { nodeId } = await nodeFile(site)
  const orama = async (...words: readonly string[]) => must(await site.orama(...words, '--env', environment))
  await untilHealthy(site, urlOf(site), bootMs)
  const certificate = await certificateOf(site.orama)
  await addEnvironment(site.orama, { name: environment, gateway: urlOf(site), certificate })
  t.match(await orama('node', 'list'), nodeId)
  const { services } = statusSchema.parse(
    JSON.parse(await orama('node', 'status', '--node', nodeId, '--json')),
  )
  t.match(services['gateway'], { state: 'ready' })
  t.match(
    await orama('node', 'logs', '--node', nodeId, '--service', 'gateway'),
    '"route":"GET /v1/node/list"',
  )
  await orama('node', 'command', 'restart', 'coredns', '--node', nodeId)
  await untilReady(site, 'coredns')
  t.match(await orama('monitor', 'report', '--json'), `"${nodeId}"`)
  t.match(await orama('monitor', 'audit'), 'restart')
}

/** Each refusal with its status: to strangers, to operators who ask for what there is not, to who guesses and repeats. */
export async function refuseAtGateway(t: Test, site: Site): Promise<void> {
  const { nodeId, cluster, owner } = await nodeFile(site)
  const kept = await readFile(join(site.folder, `operator/sessions/${environment}.json`), 'utf8')
  const { token } = sessionSchema.parse(JSON.parse(kept))
  const times = { iat: seconds(-60), exp: seconds(600) }
  const claims = { iss: cluster, aud: audience, sub: owner, ...times, jti: '0a'.repeat(16) }
  // What the key of another cluster's gateways signs.
  const foreign = signToken(claims, signInKeys(randomBytes(32)).token)
  const status = `/v1/node/status?node_id=${nodeId}`
  const logs = `/v1/node/logs?node_id=${nodeId}`

  const asked: readonly (readonly [why: string, status: number, path: string, token?: string])[] = [
    ['no token', 401, '/v1/node/list'],
    ['the token of another cluster', 401, '/v1/node/list', foreign],
    ['half a token', 401, '/v1/node/list', token.slice(0, -20)],
    ['a path in a node id', 400, `${status}/../x`, token],
    ['a path in a node id, in disguise', 400, `${status}%2f..%2fx`, token],
    ['a path in the name of a service', 400, `${logs}&service=%2e%2e%2fagent`, token],
    ['a node that is not there', 404, '/v1/node/status?node_id=naaaaaaaaaaaaaaaa', token],
    ['an address that is no node’s', 403, '/v1/node/status?wg_ip=127.0.0.1', token],
    ['a service that is not there', 404, `${logs}&service=sshd`, token],
    ['a route that is not there', 404, '/v1/node/shell', token],
    ['metrics, from outside', 403, '/metrics'],
  ]
  for (const [why, wanted, path, bearer] of asked)
    t.equal(await statusOf(site, path, { token: bearer }), wanted, why)

  const offer = joinOfferSchema.parse(JSON.parse(await bodyOf(site, '/v1/node/enroll')))
  const waiting = await newWaiting()
  const enrolling: readonly (readonly [why: string, status: number, body: string])[] = [
    ['no enrollment', 400, '{}'],
    ['10 MB', 413, JSON.stringify({ hello: 'x'.repeat(10_000_000) })],
    ['the token of another cluster', 403, JSON.stringify(requestFor(waiting, inviteOf(randomBytes(32))))],
    ['a token that is guessed', 404, JSON.stringify(requestFor(waiting, inviteOf(randomBytes(32)), offer))],
    ['a token that was taken back', 410, JSON.stringify(requestFor(waiting, await revoked(site), offer))],
  ]
  for (const [why, wanted, body] of enrolling)
    t.equal(await statusOf(site, '/v1/node/enroll', { body }), wanted, why)

  const login = await newLogin(site, owner)
  t.equal(await statusOf(site, '/v1/operator/login', { body: login }), 200, 'a login')
  t.equal(await statusOf(site, '/v1/operator/login', { body: login }), 403, 'the same login again')
  const stranger = JSON.stringify({ address: `0x${'11'.repeat(20)}` })
  t.equal(
    await statusOf(site, '/v1/operator/challenge', { body: stranger }),
    403,
    'a wallet that is no operator',
  )
}

/** A login as the owner's wallet signs it. */
async function newLogin(site: Site, address: string): Promise<string> {
  const offered = await bodyOf(site, '/v1/operator/challenge', JSON.stringify({ address }))
  const text = composeLogin(challengeSchema.parse(JSON.parse(offered)))
  const key = await walletKey(site)
  try {
    return JSON.stringify({ text, signature: signText(text, key) })
  } finally {
    key.fill(0)
  }
}

/** One that an operator made, and took back. */
async function revoked(site: Site): Promise<Token> {
  const { t: token } = parseInvite(must(await site.orama('node', 'invite', '--env', environment)).trim())
  const invite = inviteOf(Buffer.from(token, 'hex'))
  must(await site.orama('node', 'revoke-invite', invite.tokenHash, '--env', environment))
  return invite
}

function inviteOf(token: Uint8Array): Token {
  return { token, tokenHash: tokenHash(inviteKey(token).publicKey) }
}

/** What its holder has of an invite; the voucher is the registry's. */
type Token = Omit<Invited, 'voucher'>

type Question = Parameters<typeof askGateway>[2]

async function bodyOf(site: Site, path: string, body?: string): Promise<string> {
  return (await ask(site, path, body === undefined ? {} : { body })).text
}

async function statusOf(site: Site, path: string, question: Question): Promise<number> {
  return (await ask(site, path, question)).status
}

function ask(site: Site, path: string, question: Question) {
  return askGateway(site, `${urlOf(site)}${path}`, question)
}

function urlOf({ port }: Site): string {
  return `https://${port.address}`
}

/** From now on, as tokens count it. */
function seconds(from: number): number {
  return Math.floor(Date.now() / 1000) + from
}
