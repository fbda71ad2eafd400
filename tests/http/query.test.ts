import t from 'tap'
import { readQuery } from '../../http/query.ts'

const number = (text: string) => {
  if (!/^\d+$/.test(text)) throw new SyntaxError('no number')
  return Number(text)
}
const read = (query: string) =>
  readQuery(new URL(`http://node/${query}`), { count: number, name: (text: string) => text })

t.test('readQuery() returns what the readers make of each value, in any order', async t => {
  t.same(read('?count=12&name=a%2Cb'), { count: 12, name: 'a,b' })
  t.same(read('?name=&count=0'), { count: 0, name: '' })
  t.same(readQuery(new URL('http://node/'), {}), {})
  t.same(readQuery(new URL('http://node/?'), {}), {})
})

const refused = [
  ['nothing', '', 'the query does not have count once'],
  ['a value less', '?count=1', 'the query does not have name once'],
  ['a value twice', '?count=1&name=a&count=1', 'the query does not have count once'],
  ['an unknown name', '?count=1&name=a&more=SECRET', 'the query has a name that is not known'],
  ['an unknown name of an object', '?count=1&name=a&__proto__=1', 'the query has a name that is not known'],
  ['a value that is none', '?count=SECRET&name=a', 'count is malformed'],
  ['a plus, which is a space', '?count=+1&name=a', 'count is malformed'],
] as const

for (const [why, query, message] of refused)
  t.test(`readQuery() refuses: ${why}`, async t => {
    t.throws(() => read(query), { status: 400, message })
    t.throws(() => read(query), { hint: 'the query has count, name, each once', message })
  })
