import { addressRows } from './address-rows.ts'
import { auditRows } from './audit-rows.ts'
import type { Backend } from './backend.ts'
import { databaseRows } from './database-rows.ts'
import { inviteRaces } from './invite-races.ts'
import { inviteRows } from './invite-rows.ts'
import { memberRows } from './member-rows.ts'
import { orderRows } from './order-rows.ts'
import { rivalRows } from './rival-rows.ts'
import { schemaRows } from './schema-rows.ts'
import { signInRows } from './sign-in-rows.ts'
import { tokenRows } from './token-rows.ts'

/** All that the registry promises, as tests against one kind of database. */
export function registrySuite(backend: Backend): void {
  for (const rows of [
    databaseRows,
    schemaRows,
    inviteRows,
    inviteRaces,
    addressRows,
    memberRows,
    rivalRows,
    orderRows,
    signInRows,
    auditRows,
    tokenRows,
  ])
    rows(backend)
}
