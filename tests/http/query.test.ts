import t from 'tap'
import * as z from 'zod'
import { parseQuery } from '../../http/query.ts'

const schema = z.strictObject({ name: z.string().max(5).optional(), count: z.enum(['1', '2']).optional() })

const refused = [
  ['a name that comes twice', 'name=a&name=b'],
  ['a name that comes twice with one value', 'name=a&name=a'],
  ['a name in disguise that comes twice', 'name=a&%6eame=b'],
  ['an unknown name', 'more=1'],
  ['a value that does not fit', 'name=SECRET'],
  ['a value that is none of two', 'count=SECRET'],
  ['an empty value', 'count='],
  ['a prototype', '__proto__=1'],
] as const

for (const [why, query] of refused)
  t.test(`parseQuery() refuses: ${why}`, async t => {
    try {
      parseQuery(new URLSearchParams(query), schema)
      t.fail('taken')
    } catch (error) {
      t.match(error, { name: 'HttpError', status: 400, message: /the query does not fit/ })
      t.notMatch(String(error), 'SECRET')
    }
  })

t.test('parseQuery() returns what the schema says', async t => {
  t.strictSame(parseQuery(new URLSearchParams('name=%C3%A9'), schema), { name: 'é' })
  t.strictSame(parseQuery(new URLSearchParams(''), schema), {})
})
