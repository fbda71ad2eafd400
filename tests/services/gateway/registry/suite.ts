import type { Backend } from './backend.ts'
import { databaseRows } from './database-rows.ts'
import { schemaRows } from './schema-rows.ts'

/** All that the registry promises, as tests against one kind of database. */
export function registrySuite(backend: Backend): void {
  for (const rows of [databaseRows, schemaRows]) rows(backend)
}
