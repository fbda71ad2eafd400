import t from 'tap'
import * as z from 'zod'
import { parseJson } from '../../http/body.ts'

const shape = z.strictObject({ name: z.string().max(5), count: z.number().optional() })
const unfit = [
  ['nothing', '', 'the body is not JSON'],
  ['no JSON', '{x', 'the body is not JSON'],
  ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'the body is not JSON'],
  ['null', 'null', /does not fit/],
  ['an array', '[]', /does not fit/],
  ['a field missing', '{}', /does not fit: name/],
  ['a field too long', '{"name":"SECRET"}', /does not fit: name/],
  ['a field of another type', '{"name":"a","count":"1"}', /does not fit: count/],
  ['a field too many', '{"name":"a","more":1}', /does not fit/],
  ['a prototype', '{"name":"a","__proto__":{}}', /does not fit/],
  ['a deep one', '['.repeat(60_000), 'the body is not JSON'],
] as const

for (const [why, body, message] of unfit)
  t.test(`parseJson() refuses: ${why}`, async t => {
    t.throws(() => parseJson(Buffer.from(body), shape), { status: 400, message })
    try {
      parseJson(Buffer.from(body), shape)
    } catch (error) {
      t.notMatch(String(error), 'SECRET')
    }
  })

t.test('parseJson() quotes no long names', async t => {
  const body = Buffer.from(JSON.stringify({ name: 'a', ['x'.repeat(60_000)]: 1 }))
  try {
    parseJson(body, shape)
    t.fail('taken')
  } catch (error) {
    t.ok((error as Error).message.length < 400)
  }
})

t.test('parseJson() returns what the schema says', async t => {
  t.same(parseJson(Buffer.from('{"name":"é"}'), shape), { name: 'é' })
})

t.test('who sends what does not fit is told where the fields are described', async t => {
  const hint = 'docs/ has the fields of each route'
  t.throws(() => parseJson(Buffer.from('[]'), shape), { message: /does not fit/, hint })
})
