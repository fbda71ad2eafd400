import { purposeKey } from '../keys.ts'
import { type Addresses, addressesOf, type Pool } from './addresses.ts'
import { type Audit, auditOf } from './audit.ts'
import { type Database, RegistryAwayError } from './database.ts'
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
  /** Takes the nodes that are members no more out of what carries the registry, and removes their tokens. */
  readonly removeDeparted: (nodes: readonly string[]) => Promise<void>
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

/** What gateways share: all they know lies there, so that any can serve and the loss of one loses nothing. */
export async function openRegistry(settings: RegistrySettings, now: Date): Promise<Registry> {
  const registry = registryOf(settings)
  await registry.prepare(now)
  return registry
}

/** Of which all is away until its tables were looked at, by `prepare`; what that throws is in `migrate`. */
export type UnpreparedRegistry = Registry & { readonly prepare: (now: Date) => Promise<void> }

/** The same, for who serves before the registry is there. */
export function registryOf(settings: RegistrySettings): UnpreparedRegistry {
  const { cluster, authority, gatewayKey, pool } = settings
  const { database, open } = gated(settings.database)
  const tokenKey = purposeKey(gatewayKey, 'node-tokens')
  const answerKey = purposeKey(gatewayKey, 'join-answers')
  const nodeTokens = nodeTokensOf(database, tokenKey)
  return {
    prepare: async now => {
      await migrate(settings.database, now)
      open()
    },
    removeDeparted: async nodes => {
      await nodeTokens.removeDeparted()
      await database.expel(nodes)
    },
    invites: invitesOf(database),
    addresses: addressesOf(database, pool),
    members: membersOf(database, { cluster, authority }),
    nonces: noncesOf(database),
    refreshTokens: refreshTokensOf(database),
    operators: operatorsOf(database),
    audit: auditOf(database),
    nodeTokens,
    joinAnswers: joinAnswersOf(database, answerKey),
    close: () => {
      tokenKey.fill(0)
      answerKey.fill(0)
      return database.close()
    },
  }
}

function gated(database: Database): { readonly database: Database; readonly open: () => void } {
  let isOpen = false
  const behindGate = async <T>(act: () => Promise<T>): Promise<T> => {
    if (!isOpen) throw new RegistryAwayError('Cannot use registry: its tables were not looked at yet')
    return act()
  }
  return {
    open: () => {
      isOpen = true
    },
    database: {
      query: statement => behindGate(() => database.query(statement)),
      execute: (...what) => behindGate(() => database.execute(...what)),
      expel: nodes => behindGate(() => database.expel(nodes)),
      close: () => database.close(),
    },
  }
}
