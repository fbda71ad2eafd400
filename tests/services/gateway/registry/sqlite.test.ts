import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openSqlite } from '../../../../services/gateway/registry/sqlite.ts'
import { file, memory } from './backend.ts'
import { registrySuite } from './suite.ts'

registrySuite(memory)
registrySuite(file)

t.test('a file is for its user alone, and so are those beside it', async t => {
  const path = join(t.testdir({ 'loose.db': '' }), 'loose.db')
  const database = await openSqlite(path)
  t.teardown(() => database.close())
  await database.execute([['CREATE TABLE one (a TEXT)', {}]])
  for (const name of [path, `${path}-wal`, `${path}-shm`])
    t.equal((await stat(name)).mode & 0o777, 0o600, name)
})

t.test('what cannot be opened is refused', async t => {
  const folder = t.testdir({ 'none.db': 'this is no database, but a text of some length' })
  await t.rejects(openSqlite(join(folder, 'none.db')), /SQLite cannot use the file/)
  await t.rejects(openSqlite(folder))
  await t.rejects(openSqlite(join(folder, 'nowhere', 'registry.db')), { code: 'ENOENT' })
})
