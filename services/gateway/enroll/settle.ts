import { setTimeout as sleep } from 'node:timers/promises'
import type { JoinAnswer } from '../../../protocol/cluster/joining.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { HttpError } from '../../../http/error.ts'
import { isAway } from '../registry/database.ts'
import { keepToken } from '../registry/node-tokens.ts'
import type { Registry } from '../registry/registry.ts'
import type { Wanted } from './judge.ts'

export type SettleWith = {
  readonly registry: Registry
  /** Called when there is a new member. */
  readonly refresh: () => Promise<void>
  readonly now: () => Date
  /** How long a registry that is away is waited for: 45 s. */
  readonly patienceMs?: number
}

export type Settled = {
  /** What the node said that has this hello, where the registry does not know it yet. */
  readonly pending: (wanted: Wanted) => JoinAnswer | undefined
  /** Puts down that the node is a member. Throws HttpError 503 where the registry stays away: ask again. */
  readonly settle: (wanted: Wanted, answer: JoinAnswer) => Promise<JoinAnswer>
}

const pauseMs = 1000

/**
 * What follows when a node has joined. That is told once and by nobody else, while the registry may be away: a second
 * node of a cluster makes rqlite wait for both. So the answer is kept here until the registry has it.
 */
export function settlement(of: SettleWith): Settled {
  const answers = new Map<string, JoinAnswer>()
  const { patienceMs = 45_000 } = of
  const settle: Settled['settle'] = async (wanted, answer) => {
    answers.set(wanted.hello, answer)
    const endMs = performance.now() + patienceMs
    for (;;) {
      try {
        await putDown(of, wanted, answer)
        answers.delete(wanted.hello)
        return answer
      } catch (cause) {
        if (!isAway(cause)) throw cause
        if (performance.now() > endMs)
          throw new HttpError(503, 'the node has joined, but the registry does not answer', 'ask again')
        await sleep(pauseMs)
      }
    }
  }
  return { pending: ({ hello }) => answers.get(hello), settle }
}

/** Each step may be repeated: what a gateway did not get to is done when somebody asks again. */
async function putDown(
  { registry, refresh, now }: SettleWith,
  { hello, grant }: Wanted,
  answer: JoinAnswer,
): Promise<void> {
  await registry.joinAnswers.put(hello, answer)
  const { nodeId, agentToken } = answer.acknowledgement
  await keepToken(registry.nodeTokens, nodeId, agentToken)
  const [refusal] = await registry.members.add({ ...noMembers, members: [answer.member] }, now())
  if (refusal !== undefined) throw new Error(`Cannot store member: ${refusal.what}: ${refusal.why}`)
  await registry.addresses.confirm(hello)
  await registry.invites.spend({ tokenHash: grant.tokenHash, hello }, now())
  await refresh()
}
