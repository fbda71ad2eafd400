import t from 'tap'
import * as z from 'zod'
import { parseQuery } from '../../http/query.ts'

const digits = z.string().regex(/^\d+$/).transform(Number)
const schema = z.strictObject({ name: z.string().max(5), count: digits.optional() })
const parse = (query: string) => parseQuery(new URL(`http://node/${query}`), schema)

const refused = [
  ['nothing', '', /does not fit: name: /],
  ['a name less', '?count=1', /does not fit: name: /],
  ['a name that comes twice', '?name=a&name=b', /a name comes twice/],
  ['a name that comes twice with one value', '?name=a&name=a', /a name comes twice/],
  ['a name in disguise that comes twice', '?name=a&%6eame=b', /a name comes twice/],
  ['an unknown name', '?name=a&more=SECRET', /does not fit: : /],
  ['a prototype', '?name=a&__proto__=1', /does not fit: : /],
  ['a value that does not fit', '?name=SECRET', /does not fit: name: /],
  ['a value that is none', '?name=a&count=SECRET', /does not fit: count: /],
  ['an empty value', '?name=a&count=', /does not fit: count: /],
  ['a plus, which is a space', '?name=a&count=+1', /does not fit: count: /],
] as const

for (const [why, query, message] of refused)
  t.test(`parseQuery() refuses: ${why}`, async t => {
    try {
      parse(query)
      t.fail('taken')
    } catch (error) {
      t.match(error, { name: 'HttpError', status: 400, message, hint: /\w/ })
      t.notMatch(String(error), 'SECRET')
    }
  })

t.test('parseQuery() returns what the schema says, in any order', async t => {
  t.strictSame(parse('?count=12&name=%C3%A9'), { name: '\u00e9', count: 12 })
  t.strictSame(parse('?name='), { name: '' })
  const none = z.strictObject({})
  t.strictSame(parseQuery(new URL('http://node/'), none), {})
  t.strictSame(parseQuery(new URL('http://node/?'), none), {})
})
