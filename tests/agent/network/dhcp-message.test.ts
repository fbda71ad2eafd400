import t from 'tap'
import {
  type DhcpTerms,
  encodeDiscover,
  encodeRelease,
  encodeRequest,
  parseReply,
} from '../../../agent/network/dhcp-message.ts'

const client = { mac: '52:54:00:12:34:56', transaction: 0xdeadbeef, hostname: 'node' }

const option = (code: number, ...bytes: number[]) => [code, bytes.length, ...bytes]
const kind = (value: number) => option(53, value)
const usual = [
  ...option(54, 192, 168, 1, 1),
  ...option(1, 255, 255, 255, 0),
  ...option(51, 0, 0, 14, 16),
  ...option(3, 192, 168, 1, 1),
  ...option(6, 1, 1, 1, 1, 8, 8, 8, 8),
  ...option(42, 192, 168, 1, 5),
]

/** An answer as a server writes it; `change` spoils it. */
function reply(options: readonly number[], change: (message: Buffer) => void = () => undefined): Buffer {
  const head = Buffer.alloc(240)
  head.set([2, 1, 6, 0])
  head.writeUInt32BE(client.transaction, 4)
  head.set([192, 168, 1, 77], 16)
  head.set(Buffer.from('525400123456', 'hex'), 28)
  head.writeUInt32BE(0x63825363, 236)
  const message = Buffer.concat([head, Buffer.from(options)])
  change(message)
  return message
}

/** The terms of an answer that is not a refusal. */
function termsOf(bytes: Buffer): DhcpTerms {
  const answer = parseReply(bytes, client)
  if (answer.kind === 'nak') throw new Error('a refusal')
  return answer
}

t.test('parseReply() reads an offer', async t => {
  t.same(parseReply(reply([...kind(2), ...usual, 255]), client), {
    kind: 'offer',
    address: '192.168.1.77',
    prefix: 24,
    serverId: '192.168.1.1',
    routers: ['192.168.1.1'],
    dns: ['1.1.1.1', '8.8.8.8'],
    ntp: ['192.168.1.5'],
    leaseS: 3600,
    renewS: 1800,
    rebindS: 3150,
  })
})

t.test('parseReply() reads a refusal', async t => {
  const bytes = reply([...kind(6), ...option(54, 10, 0, 0, 1), 255])
  t.same(parseReply(bytes, client), { kind: 'nak', serverId: '10.0.0.1' })
})

t.test('an option that comes in two parts is one', async t => {
  const split = [...option(6, 1, 1), ...option(6, 1, 1)]
  const options = [
    ...kind(5),
    ...option(54, 9, 9, 9, 9),
    ...option(1, 255, 0, 0, 0),
    ...option(51, 0, 0, 1, 0),
    ...split,
  ]
  t.same(termsOf(reply([...options, 255])).dns, ['1.1.1.1'])
})

t.test('options that overflow into the file field are read', async t => {
  const bytes = reply([...kind(5), ...usual, ...option(52, 1), 255], m =>
    m.set([...option(6, 9, 9, 9, 9), 255], 108),
  )
  t.same(termsOf(bytes).dns, ['1.1.1.1', '8.8.8.8', '9.9.9.9'])
})

const times = [
  ['an hour', [0, 0, 14, 16], {}, { leaseS: 3600, renewS: 1800, rebindS: 3150 }],
  ['one second: a minute at least', [0, 0, 0, 1], {}, { leaseS: 60, renewS: 30, rebindS: 52 }],
  [
    'for ever: a month, asked for daily',
    [255, 255, 255, 255],
    {},
    { leaseS: 2_592_000, renewS: 86_400, rebindS: 2_268_000 },
  ],
  ['T1 and T2 given', [0, 0, 14, 16], { 58: 100, 59: 200 }, { leaseS: 3600, renewS: 100, rebindS: 200 }],
  ['T1 after T2', [0, 0, 14, 16], { 58: 300, 59: 200 }, { leaseS: 3600, renewS: 199, rebindS: 200 }],
  ['T2 after the end', [0, 0, 14, 16], { 59: 9999 }, { leaseS: 3600, renewS: 1800, rebindS: 3150 }],
  ['T1 of nothing', [0, 0, 14, 16], { 58: 0 }, { leaseS: 3600, renewS: 1800, rebindS: 3150 }],
] as const
for (const [why, lease, given, wanted] of times)
  t.test(`lease times: ${why}`, async t => {
    const extra = Object.entries(given).flatMap(([code, s]) => option(Number(code), 0, 0, s >> 8, s & 255))
    const options = [
      ...kind(5),
      ...option(54, 9, 9, 9, 9),
      ...option(1, 255, 0, 0, 0),
      ...option(51, ...lease),
      ...extra,
    ]
    t.match(parseReply(reply([...options, 255]), client), wanted)
  })

const good = [...kind(2), ...usual, 255]
const refused = [
  ['too short', reply([]).subarray(0, 239)],
  ['too long', reply([...good, ...Array<number>(1300).fill(0)])],
  ['a request', reply(good, m => m.writeUInt8(1, 0))],
  ['not Ethernet', reply(good, m => m.writeUInt8(6, 1))],
  ['a long hardware address', reply(good, m => m.writeUInt8(16, 2))],
  ['another transaction', reply(good, m => m.writeUInt32BE(1, 4))],
  ['another client', reply(good, m => m.writeUInt8(0, 33))],
  ['no magic cookie', reply(good, m => m.writeUInt8(0, 236))],
  ['no type', reply([...usual, 255])],
  ['a type of two bytes', reply([...option(53, 2, 2), ...usual, 255])],
  ['type DISCOVER', reply([...kind(1), ...usual, 255])],
  ['no server identifier', reply([...kind(2), ...usual.slice(6), 255])],
  ['no mask', reply([...kind(2), ...option(54, 9, 9, 9, 9), ...option(51, 0, 0, 14, 16), 255])],
  ['a mask with holes', reply([...kind(2), ...option(1, 255, 0, 255, 0), ...option(54, 9, 9, 9, 9), 255])],
  ['a mask of nothing', reply([...kind(2), ...option(1, 0, 0, 0, 0), ...option(54, 9, 9, 9, 9), 255])],
  ['no lease time', reply([...kind(2), ...option(1, 255, 0, 0, 0), ...option(54, 9, 9, 9, 9), 255])],
  ['the address 0.0.0.0', reply(good, m => m.set([0, 0, 0, 0], 16))],
  ['a loopback address', reply(good, m => m.set([127, 0, 0, 1], 16))],
  ['a multicast address', reply(good, m => m.set([224, 0, 0, 1], 16))],
  ['an option without length', reply([...kind(2), ...usual, 12])],
  ['an option that is cut off', reply([...kind(2), ...usual, 12, 200, 1])],
  ['an overload of nonsense', reply([...kind(2), ...usual, ...option(52, 7), 255])],
] as const
for (const [why, bytes] of refused)
  t.test(`parseReply() refuses: ${why}`, async t =>
    t.throws(() => parseReply(bytes, client), { name: 'SyntaxError' }),
  )

t.test('parseReply() passes over addresses that no host has, and all beyond the eighth', async t => {
  const many = Array.from({ length: 40 }, (_, index) => [9, 9, 9, index]).flat()
  const options = [
    ...kind(2),
    ...option(54, 9, 9, 9, 9),
    ...option(1, 255, 0, 0, 0),
    ...option(51, 0, 0, 14, 16),
  ]
  const lists = [...option(3, 0, 0, 0, 0, 127, 0, 0, 1), ...option(6, ...many)]
  const { routers, dns } = termsOf(reply([...options, ...lists, 255]))
  t.same(routers, [])
  t.same(dns, ['9.9.9.0', '9.9.9.1', '9.9.9.2', '9.9.9.3', '9.9.9.4', '9.9.9.5', '9.9.9.6', '9.9.9.7'])
})

t.test('whatever bytes arrive, parseReply() answers or throws SyntaxError', async t => {
  const start = reply(good)
  for (let at = 0; at < start.length; at++)
    for (const value of [0, 1, 127, 255]) {
      const bytes = Buffer.from(start)
      bytes[at] = value
      try {
        parseReply(bytes, client)
      } catch (error) {
        t.equal((error as Error).name, 'SyntaxError')
      }
    }
})

const offer = termsOf(reply(good))
const messages = [
  [
    'DISCOVER',
    encodeDiscover(client),
    { type: 1, broadcast: true, current: '00000000', has: [12, 55, 57, 61], not: [50, 54] },
  ],
  [
    'REQUEST of an offer',
    encodeRequest(client, { offer }),
    { type: 3, broadcast: true, current: '00000000', has: [50, 54], not: [] },
  ],
  [
    'REQUEST of more time',
    encodeRequest(client, { current: '10.0.2.15' }),
    { type: 3, broadcast: false, current: '0a00020f', has: [61], not: [50, 54] },
  ],
  [
    'RELEASE',
    encodeRelease(client, { address: '10.0.2.15', serverId: '10.0.2.2' }),
    { type: 7, broadcast: false, current: '0a00020f', has: [54, 61], not: [50, 51, 55] },
  ],
] as const
for (const [name, message, wanted] of messages)
  t.test(`${name} is as RFC 2131, table 5 wants it`, async t => {
    t.ok(message.length >= 300)
    t.equal(message.subarray(0, 4).toString('hex'), '01010600')
    t.equal(message.readUInt32BE(4), client.transaction)
    t.equal((message.readUInt16BE(10) & 0x8000) !== 0, wanted.broadcast)
    t.equal(message.subarray(12, 16).toString('hex'), wanted.current)
    t.equal(message.subarray(240, 243).toString('hex'), `3501${wanted.type.toString(16).padStart(2, '0')}`)
    const codes: number[] = []
    for (let at = 240; message[at] !== 255; at += 2 + (message[at + 1] ?? 0)) codes.push(message[at] ?? 0)
    for (const code of wanted.has) t.ok(codes.includes(code), `option ${code}`)
    for (const code of wanted.not) t.notOk(codes.includes(code), `no option ${code}`)
  })

t.test('a hardware address that is none is refused', async t =>
  t.throws(() => encodeDiscover({ ...client, mac: '52:54:00' }), { name: 'SyntaxError' }),
)
