import { open } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { checkStatement, type Database, type Row, type Statement } from './database.ts'

// Another process may hold the lock for as long as one transaction of the registry takes: milliseconds.
const busyMs = 5000

/**
 * The registry of a gateway without a cluster: a file that only its user can read (made if it is not there), or
 * `:memory:`. What was acknowledged survives a power cut. Throws what node:sqlite or the file system throw.
 */
export async function openSqlite(path: string): Promise<Database> {
  if (path !== ':memory:') await claimFile(path)
  const connection = connect(path)
  return {
    query: statement => promised(() => select(connection, statement)),
    execute: statements => promised(() => transact(connection, statements)),
    expel: () => Promise.resolve(),
    close: () =>
      promised(() => {
        connection.close()
      }),
  }
}

/** Before SQLite opens it: the files beside it (-wal, -shm) get its mode. */
async function claimFile(path: string): Promise<void> {
  await using file = await open(path, 'a', 0o600)
  await file.chmod(0o600)
}

function connect(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { timeout: busyMs, enableForeignKeyConstraints: true })
  try {
    connection.exec('PRAGMA journal_mode = WAL')
    // With NORMAL, the default of many for WAL, the last transactions may be gone after a power cut.
    connection.exec('PRAGMA synchronous = FULL')
    return connection
  } catch (cause) {
    connection.close()
    throw new Error('Cannot open registry: SQLite cannot use the file', { cause })
  }
}

/** node:sqlite is done when it returns; the interface waits, as rqlite has to. */
function promised<T>(act: () => T): Promise<T> {
  return new Promise(resolve => {
    resolve(act())
  })
}

function select(connection: DatabaseSync, statement: Statement): Row[] {
  checkStatement(statement)
  const [sql, params] = statement
  return connection.prepare(sql).all({ ...params })
}

function transact(connection: DatabaseSync, statements: readonly Statement[]): { rowsAffected: number }[] {
  statements.forEach(checkStatement)
  // At once for writing: a transaction that begins by reading cannot always become one that writes.
  connection.exec('BEGIN IMMEDIATE')
  try {
    const changed = statements.map(statement => change(connection, statement))
    connection.exec('COMMIT')
    return changed
  } catch (cause) {
    if (connection.isTransaction) connection.exec('ROLLBACK')
    throw new Error('Cannot write to the registry: SQLite refused a statement', { cause })
  }
}

function change(connection: DatabaseSync, [sql, params]: Statement): { rowsAffected: number } {
  return { rowsAffected: Number(connection.prepare(sql).run({ ...params }).changes) }
}
