import { UnknownOutcomeError } from '../../../../services/gateway/registry/database.ts'
import { migrate, migrations } from '../../../../services/gateway/registry/schema.ts'
import { type Backend, bareRow, many, now, row } from './backend.ts'

const more = [
  ...migrations,
  ['ALTER TABLE operators ADD COLUMN name TEXT', 'CREATE TABLE extra (a TEXT) STRICT'],
]
const broken = [...migrations, ['CREATE TABLE extra (a TEXT) STRICT', 'CREATE TABLE extra (a TEXT) STRICT']]

/** Migrations, also by several gateways at once. */
export function schemaRows(backend: Backend): void {
  bareRow(backend, 'eight gateways that start at once make the tables once', async (t, [a, b]) => {
    await Promise.all(many(8, at => migrate(at % 2 === 0 ? a : b, now)))
    t.same(await b.query(['SELECT version FROM meta ORDER BY version', {}]), [{ version: 1 }])
  })

  row(backend, 'eight gateways that are updated at once take the step once', async (t, [a, b]) => {
    await Promise.all(many(8, at => migrate(at % 2 === 0 ? a : b, now, more)))
    t.same(await b.query(['SELECT version FROM meta ORDER BY version', {}]), [{ version: 1 }, { version: 2 }])
    t.same(await b.query(['SELECT name FROM operators', {}]), [])
  })

  row(backend, 'a program of an older version does not start', async (t, [a, b]) => {
    await migrate(a, now, more)
    await t.rejects(migrate(b, now), {
      name: 'RangeError',
      message: /its version is 2, this program knows 1/,
    })
  })

  row(backend, 'a step that fails leaves the version and the tables', async (t, [a, b]) => {
    await t.rejects(migrate(a, now, broken), /Cannot migrate registry to version 2/)
    t.same(await b.query(['SELECT version FROM meta', {}]), [{ version: 1 }])
    await t.rejects(b.query(['SELECT * FROM extra', {}]))
    await migrate(b, now, more)
  })

  row(backend, 'a step of which nobody knows whether it was taken may be taken later', async (t, [a, b]) => {
    const lost = new UnknownOutcomeError('cut off')
    const execute: typeof a.execute = async (statements, options) =>
      statements.length > 1 ? Promise.reject(lost) : a.execute(statements, options)
    await t.rejects(migrate({ ...a, execute }, now, more), lost)
    await migrate(b, now, more)
  })

  row(backend, 'to migrate again changes nothing', async (t, [a, b]) => {
    await migrate(b, now)
    t.same(await a.query(['SELECT version, at FROM meta', {}]), [{ version: 1, at: '2026-11-21T08:00:00Z' }])
  })
}
