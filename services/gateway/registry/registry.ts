import { purposeKey } from '../keys.ts'
import { type Addresses, addressesOf, type Pool } from './addresses.ts'
import { type Audit, auditOf } from './audit.ts'
import type { Database } from './database.ts'
import { type Invites, invitesOf } from './invites.ts'
import { type JoinAnswers, joinAnswersOf } from './join-answers.ts'
import { type Members, membersOf } from './members.ts'
import { type NodeTokens, nodeTokensOf } from './node-tokens.ts'
import { type Nonces, noncesOf } from './nonces.ts'
import { type Operators, operatorsOf } from './operators.ts'
import { type RefreshTokens, refreshTokensOf } from './refresh-tokens.ts'
import { migrate } from './schema.ts'

export type Registry = {
  readonly invites: Invites
  readonly addresses: Addresses
  readonly members: Members
  readonly nonces: Nonces
  readonly refreshTokens: RefreshTokens
  readonly operators: Operators
  readonly audit: Audit
  readonly nodeTokens: NodeTokens
  readonly joinAnswers: JoinAnswers
  /** Closes the database. */
  readonly close: () => Promise<void>
}

export type RegistrySettings = {
  /** Closed with the registry. */
  readonly database: Database
  readonly cluster: string
  /** Address of the cluster's authority, the owner of its genesis. */
  readonly authority: string
  /** 32 bytes, which all gateways of the cluster have; what is secret is encrypted under keys that come of it. */
  readonly gatewayKey: Uint8Array
  readonly pool?: Pool
}

/** Opens what gateways share: all they know lies there, so that any can serve and the loss of one loses nothing. */
export async function openRegistry(settings: RegistrySettings, now: Date): Promise<Registry> {
  const { database, cluster, authority, gatewayKey, pool } = settings
  const tokenKey = purposeKey(gatewayKey, 'node-tokens')
  const answerKey = purposeKey(gatewayKey, 'join-answers')
  await migrate(database, now)
  return {
    invites: invitesOf(database),
    addresses: addressesOf(database, pool),
    members: membersOf(database, { cluster, authority }),
    nonces: noncesOf(database),
    refreshTokens: refreshTokensOf(database),
    operators: operatorsOf(database),
    audit: auditOf(database),
    nodeTokens: nodeTokensOf(database, tokenKey),
    joinAnswers: joinAnswersOf(database, answerKey),
    close: () => {
      tokenKey.fill(0)
      answerKey.fill(0)
      return database.close()
    },
  }
}
