import type { Test } from 'tap'
import type { Accepted } from '../../../../agent/enroll/judge.ts'
import type { Session } from '../../../../agent/enroll/session.ts'
import type { MemberRecord } from '../../../../protocol/cluster/member.ts'
import { requestFor, waitingNode } from './played-waiting.ts'
import { running, storedInvite } from './running.ts'

/** A node that has made itself a member, and whose answer nobody got. */
export async function afterLoss(t: Test, session: Session) {
  const { promise: made, resolve } = Promise.withResolvers<MemberRecord>()
  const lose = ({ member }: Accepted) => {
    resolve(member)
    return Promise.reject(new Error('the answer is lost'))
  }
  const { port } = await waitingNode(t, session, lose)
  const gateway = await running(t, { changes: { deliver: { port } } })
  const invite = await storedInvite(gateway.registry)
  const request = requestFor(session, invite)
  const enroll = () => gateway.ask('POST', '/v1/node/enroll', { body: JSON.stringify(request) })
  t.equal((await enroll()).status, 422)
  const say = (value: unknown) => gateway.ask('POST', '/v1/node/member', { body: JSON.stringify(value) })
  return { ...gateway, invite, request, enroll, say, member: await made }
}
