import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { deskRoutes } from '../../../../agent/enroll/desk.ts'
import type { Accepted } from '../../../../agent/enroll/judge.ts'
import { newSession, type Session } from '../../../../agent/enroll/session.ts'
import { closeHttp } from '../../../../http/server.ts'
import { inviteKey, proveInvite, signAsking, tokenHash } from '../../../../protocol/cluster/invite.ts'
import type { JoinRequest } from '../../../../protocol/cluster/joining.ts'
import { composeVoucher } from '../../../../protocol/cluster/voucher.ts'
import { signAcknowledgement } from '../../../../protocol/completion.ts'
import { formatTime, fromBase64url, type SignedText } from '../../../../protocol/fields.ts'
import { composeGrant, type Grant } from '../../../../protocol/grant.ts'
import { helloHash, nodeIdOf } from '../../../../protocol/hello.ts'
import { serving } from '../../../http/serving.ts'
import { authority, cluster, newWallet, signedBy } from '../../../protocol/cluster/sample.ts'
import { offer } from './played-agent.ts'

export const owner = newWallet()
const minute = 60_000
export const inMinutes = (minutes: number) => formatTime(new Date(Date.now() + minutes * minute))
export const agentToken = '7e'.repeat(32)

export const newWaiting = () => newSession({ version: '0.1.0', nowMs: Date.now() - 2000, bootMs: 0 })

/** What the node of this session answers once it is enrolled. */
export function enrolled(session: Session) {
  return (accepted: Accepted) => {
    const { hello, keys } = session
    const nodeId = nodeIdOf(fromBase64url(hello.identity))
    const { cluster: joined, wireguard } = accepted.config
    const { address } = wireguard
    const facts = {
      ...{ v: 1 as const, nodeId, hello: helloHash(hello), owner: accepted.grant.owner, agentToken },
      ...{ cluster: joined, luksUuid: '01234567-89ab-cdef-0123-456789abcdef' },
      wireguard: { publicKey: hello.wireguard, address },
    }
    const acknowledgement = signAcknowledgement(facts, keys.identity.privateKey)
    const box = accepted.sealReply(Buffer.from(JSON.stringify(acknowledgement)))
    return Promise.resolve({ box, member: accepted.member })
  }
}

/** Port 9999 of a node that waits, as the agent serves it; its operator file names the owner. */
export function waitingNode(t: Test, session: Session, carryOut = enrolled(session)) {
  const pause = () => Promise.resolve()
  return serving(
    t,
    deskRoutes({ session: () => session, owner: owner.address, closed: undefined, carryOut, pause }),
  )
}

/** Something else on that port. */
export async function strangeNode(t: Test, answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    return closeHttp(server)
  })
  return (server.address() as AddressInfo).port
}

export type Invited = { readonly token: Uint8Array; readonly voucher: SignedText; readonly tokenHash: string }

export function invited(
  changes: Partial<Parameters<typeof composeVoucher>[0]> = {},
  by = authority,
): Invited {
  const token = randomBytes(32)
  const hash = tokenHash(inviteKey(token).publicKey)
  const times = { issued: inMinutes(-10), expires: inMinutes(60) }
  const voucher = signedBy(by, composeVoucher({ cluster, tokenHash: hash, ...times, ...changes }))
  return { token, voucher, tokenHash: hash }
}

/** What an operator sends to have the node of this session join. */
export function requestFor(
  session: Session,
  invite: Omit<Invited, 'voucher'>,
  changes: Partial<Grant> = {},
): JoinRequest {
  const text = composeGrant({
    ...offer,
    kind: 'join',
    hello: helloHash(session.hello),
    code: session.code,
    nodeIp: '127.0.0.1',
    tokenHash: invite.tokenHash,
    issued: inMinutes(-1),
    expires: inMinutes(14),
    ...changes,
  })
  const grant = signedBy(owner, text)
  const [proof, asking] = [proveInvite(invite.token, text), signAsking(invite.token, grant)]
  return { hello: session.hello, grant, proof, asking }
}
