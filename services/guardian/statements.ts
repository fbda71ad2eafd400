import { HttpError } from '../../http/error.ts'
import { lend } from '../../protocol/secret.ts'
import {
  depositContext,
  isStatementOf,
  type SignedStatement,
  type Statement,
  type StatementAnswer,
} from '../../protocol/shares/guardian.ts'
import { shareX } from '../../protocol/shares/split.ts'
import type { Holding } from '../../protocol/shares/store.ts'
import { admit, type Guardian } from './guardian.ts'
import { Refused } from './refusals.ts'

/**
 * Does what an unlocked node states, and says what is held of it then. Throws Refused; HttpError 400 for a deposit
 * that is no share, 503 and 507 as the store does.
 */
export async function takeStatement(
  guardian: Guardian,
  signed: SignedStatement,
  from: string,
): Promise<StatementAnswer> {
  const { statement } = signed
  const { session, limits } = guardian
  const member = await admit(guardian, { called: statement, from, limit: limits.statements })
  if (!isStatementOf(signed, member.hello)) throw new Refused({ reason: 'not-signed' })
  if (statement.session !== session.id || !session.take(statement.node, statement.number))
    throw new Refused({ reason: 'session' })
  return { holds: (await carryOut(guardian, statement)).epochs }
}

function carryOut(guardian: Guardian, statement: Statement): Promise<Holding> {
  const { store, leases } = guardian
  const { node } = statement
  switch (statement.kind) {
    case 'lease':
      leases.renew(node)
      return store.holding(node)
    case 'goodbye':
      leases.end(node)
      return store.holding(node)
    case 'keep':
      return store.keep(node, statement.keep)
    case 'deposit':
      return deposit(guardian, statement)
  }
}

type Deposit = Extract<Statement, { kind: 'deposit' }>

function deposit({ session, store }: Guardian, statement: Deposit): Promise<Holding> {
  const { node, epoch, keep } = statement
  return lend(openShare(session, statement), share => store.put(node, { epoch, share, keep }))
}

function openShare(session: Guardian['session'], statement: Deposit): Buffer {
  let share: Buffer | undefined
  try {
    share = session.open(depositContext(statement), statement.box)
    shareX(share)
    return share
  } catch {
    share?.fill(0)
    throw new HttpError(400, 'the box does not hold a share', 'seal 97 bytes to the key of the session')
  }
}
