import t from 'tap'
import { composeOrder, parseOrder, verifyOrder } from '../../protocol/order.ts'
import type { Order } from '../../protocol/order.ts'
import { addressOf, publicKeyOf, signText } from '../../protocol/wallet.ts'
import { now, vectors } from './sample.ts'

const key = Buffer.alloc(32, 10)
const owner = addressOf(publicKeyOf(key))
const order: Order = {
  node: vectors.nodeId,
  action: 'unlock',
  arguments: { nonce: 'AAAAAAAAAAAAAAAAAAAAAA' },
  number: 8,
  expires: '2026-11-21T08:10:00Z',
}
const text = [
  'OramaOS order v1',
  `node: ${vectors.nodeId}`,
  'action: unlock',
  'arguments: {"nonce":"AAAAAAAAAAAAAAAAAAAAAA"}',
  'number: 8',
  'expires: 2026-11-21T08:10:00Z',
].join('\n')
const expected = { nodeId: vectors.nodeId, owner, action: 'unlock', lastNumber: 7, now } as const
const signed = (change: Partial<Order>, by = key) => {
  const changed = composeOrder({ ...order, ...change })
  return { text: changed, signature: signText(changed, by) }
}

t.test('an order has one text', async t => {
  t.equal(composeOrder(order), text)
  t.same(parseOrder(text), order)
  t.same(parseOrder(composeOrder({ ...order, arguments: {} })).arguments, {})
})

t.test('verifyOrder() takes the order of the owner', async t => {
  t.same(verifyOrder(signed({}), expected), order)
})

const refused: readonly (readonly [string, ReturnType<typeof signed>, RegExp])[] = [
  ['of a stranger', signed({}, Buffer.alloc(32, 11)), /not the owner/],
  ['for another node', signed({ node: 'naaaaaaaaaaaaaaaa' }), /for node/],
  ['for another action', signed({ action: 'leave' }), /says 'leave'/],
  ['with the last number again', signed({ number: 7 }), /number 7 is used/],
  ['with a lower number', signed({ number: 1 }), /number 1 is used/],
  ['that expires this second', signed({ expires: '2026-11-21T08:01:00Z' }), /expired/],
  [
    'whose text was altered',
    { ...signed({}), text: text.replace('number: 8', 'number: 9') },
    /not the owner/,
  ],
]

for (const [why, value, message] of refused)
  t.test(`verifyOrder() refuses an order ${why}`, async t =>
    t.throws(() => verifyOrder(value, expected), { name: 'RangeError', message }),
  )

const misread: readonly (readonly [string, string])[] = [
  ['a grant', vectors.grant],
  ['a newline at the end', `${text}\n`],
  ['an unknown action', text.replace('unlock', 'format')],
  ['number 0', text.replace('number: 8', 'number: 0')],
  ['number 08', text.replace('number: 8', 'number: 08')],
  ['number 8.0', text.replace('number: 8', 'number: 8.0')],
  ['number 0x8', text.replace('number: 8', 'number: 0x8')],
  ['a number that JSON would round', text.replace('number: 8', 'number: 9007199254740993')],
  ['arguments with a space', text.replace('{"', '{ "')],
  ['arguments that are a list', text.replace(/\{.*\}/, '[]')],
  ['arguments with a key twice', text.replace(/\{.*\}/, '{"a":1,"a":1}')],
  ['arguments that are no JSON', text.replace(/\{.*\}/, '{')],
  ['20 KiB of arguments', text.replace('AAAA', 'A'.repeat(20_480))],
]

for (const [why, value] of misread)
  t.test(`parseOrder() refuses: ${why}`, async t =>
    t.throws(() => parseOrder(value), { name: 'SyntaxError' }),
  )
