import { randomBytes } from 'node:crypto'
import { clusterView } from '../../../agent/cluster/view.ts'
import { checkClaim, enterCluster, judgeCompletion } from '../../../agent/enroll/judge.ts'
import { newSession, type Session } from '../../../agent/enroll/session.ts'
import { withEnrollmentKey } from '../../../agent/gateway/key.ts'
import type { GatewaySocket } from '../../../agent/gateway/socket.ts'
import type { Admission } from '../../../protocol/cluster/admission.ts'
import { inviteKey, proveInvite, tokenHash } from '../../../protocol/cluster/invite.ts'
import { sealClaim } from '../../../protocol/cluster/joining.ts'
import type { MemberRecord } from '../../../protocol/cluster/member.ts'
import type { News } from '../../../protocol/cluster/news.ts'
import { composeVoucher, type Voucher } from '../../../protocol/cluster/voucher.ts'
import { type Acknowledgement, type Completion, signAcknowledgement } from '../../../protocol/completion.ts'
import { formatTime, fromBase64url } from '../../../protocol/fields.ts'
import { composeGrant, type Grant } from '../../../protocol/grant.ts'
import { type Hello, helloHash, nodeIdOf } from '../../../protocol/hello.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import {
  authority,
  cluster,
  genesisRecord,
  newNode,
  newWallet,
  signedBy,
  type TestWallet,
} from '../../protocol/cluster/sample.ts'

export const clusterSecret = Buffer.alloc(32, 7)
export const enrollmentKey = await withEnrollmentKey(clusterSecret, ({ publicKey }) => publicKey)
export const nowMs = Date.now()
export const minutes = (count: number) => formatTime(new Date(nowMs + count * 60_000))
export const owner = newWallet()
const genesis = newNode()
const operatorPeer = { name: 'operator', publicKey: genesis.hello.wireguard, address: '10.0.0.200' }

/** The agent of the genesis, as its gateway sees it; `at` moves its clock, `members` are known besides. */
export function agentSide(members: readonly MemberRecord[] = []) {
  const first = genesisRecord({ node: genesis })
  const record = {
    nodeId: genesis.nodeId,
    cluster,
    authority: authority.address,
    agentToken: 'a'.repeat(64),
    wireguard: { privateKey: '', address: '10.0.0.1', prefix: 24, listenPort: 51_820, peers: [operatorPeer] },
    membership: { members: [first, ...members], departures: [] },
    endpoints: [],
  } as unknown as NodeRecord
  const view = clusterView(record)
  const [logged, heard]: [string[], News[]] = [[], []]
  const world = { nowMs, open: true, met: undefined as string | undefined, lent: [] as Buffer[] }
  const side: GatewaySocket = {
    record: () => record,
    view,
    hear: async news => {
      heard.push(news)
      await view.hear(news)
    },
    withClusterSecret: async use => {
      const lent = Buffer.from(clusterSecret)
      world.lent.push(lent)
      return use(lent).finally(() => lent.fill(0))
    },
    isOpen: () => world.open,
    met: digest => {
      world.met = digest
    },
    now: () => new Date(world.nowMs),
    log: line => logged.push(line),
  }
  return { side, view, logged, heard, world }
}

export const newcomer = (): Promise<Session> => newSession({ version: '0.1.0', nowMs, bootMs: 0 })

export type Changes = {
  readonly token?: Uint8Array
  readonly grant?: Partial<Grant>
  readonly voucher?: Partial<Voucher>
  readonly voucherBy?: TestWallet
  /** Signs in place of the token of the invite. */
  readonly proofBy?: Uint8Array
  readonly hello?: Partial<Hello>
  readonly more?: Partial<Admission>
}

/** What an honest gateway asks for a node with this session, changed as told. */
export function admissionFor(session: Session, changes: Changes = {}): Admission {
  const { token = randomBytes(32), voucherBy = authority, proofBy = token } = changes
  const hello = { ...session.hello, ...changes.hello }
  const hash = tokenHash(inviteKey(token).publicKey)
  const [issued, expires] = [minutes(0), minutes(10)]
  const voucher = composeVoucher({ cluster, tokenHash: hash, issued, expires, ...changes.voucher })
  const text = composeGrant({
    kind: 'join',
    cluster,
    authority: authority.address,
    hello: helloHash(hello),
    code: session.code,
    nodeIp: '192.0.2.9',
    gatewayKey: enrollmentKey,
    tokenHash: hash,
    issued,
    expires,
    ...changes.grant,
  })
  const grant = signedBy(owner, text)
  return {
    hello,
    grant,
    invite: { voucher: signedBy(voucherBy, voucher), proof: proveInvite(proofBy, text) },
    claim: sealClaim(session.claim, { hello, grant }),
    address: '10.0.0.2',
    ...changes.more,
  }
}

/** What the node makes of a completion: its own judgement, and what it answers, changed as told. */
export async function answerOf(
  session: Session,
  completion: Completion,
  facts: Partial<Acknowledgement> = {},
) {
  const judged = await judgeCompletion(completion, { session, owner: undefined, now: new Date(nowMs) })
  checkClaim(judged)
  const { member, membership } = enterCluster(judged)
  const acknowledgement = signAcknowledgement(
    {
      v: 1,
      nodeId: nodeIdOf(fromBase64url(session.hello.identity)),
      hello: helloHash(session.hello),
      owner: owner.address,
      cluster,
      luksUuid: '01234567-89ab-4cde-8f01-23456789abcd',
      agentToken: 'ab'.repeat(32),
      wireguard: { publicKey: session.hello.wireguard, address: judged.config.wireguard.address },
      ...facts,
    },
    session.keys.identity.privateKey,
  )
  const box = judged.sealReply(Buffer.from(JSON.stringify(acknowledgement)))
  return { judged, membership, acknowledgement, answer: { v: 1, box, member } as const }
}
