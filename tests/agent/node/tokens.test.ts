import { randomUUID } from 'node:crypto'
import t from 'tap'
import { tokensOf } from '../../../agent/node/tokens.ts'
import type { LuksHeader } from '../../../agent/unlock/luks-header.ts'
import { nodeToken } from '../../../agent/unlock/tokens.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { genesisRecord } from '../../protocol/cluster/sample.ts'
import { sampleRecord } from '../unlock/node-samples.ts'

const uuid = randomUUID()
const genesis = genesisRecord()
const signature = `0x${'0'.repeat(130)}`

function headerOf(change: Partial<NodeRecord>): LuksHeader {
  const record = { ...sampleRecord(uuid), membership: { ...noMembers, members: [genesis] }, ...change }
  const token = nodeToken({ record, mac: 'A'.repeat(43) })
  return { uuid, metadata: { tokens: { 0: token } } } as unknown as LuksHeader
}

t.test('tokensOf() reads a header whose members are as they were stored', async t => {
  const { view, escrow } = tokensOf(headerOf({}))
  t.equal(view.members().length, 1)
  t.equal(escrow, undefined)
})

const text = (words: string) => ({ text: words, signature })
const members = [{ ...genesis, grant: text('OramaOS enrollment grant v2\n') }]
const { wireguard, endpoints } = sampleRecord(uuid)
const peer = { name: 'operator', publicKey: genesis.hello.wireguard, address: '127.0.0.2' }
const refused: readonly (readonly [string, Partial<NodeRecord>, RegExp])[] = [
  ['a grant', { membership: { ...noMembers, members } }, /members cannot be read/],
  ['an appointment', { membership: { ...noMembers, appointment: text('x') } }, /members cannot be read/],
  ['a hold', { membership: { ...noMembers, holds: [text('OramaOS hold v1\n')] } }, /members cannot be read/],
  [
    'addresses that no WireGuard takes',
    { wireguard: { ...wireguard, address: '127.0.0.1', peers: [peer] } },
    /members cannot be read/,
  ],
  [
    'an endpoint that no host has',
    {
      endpoints: [
        ...endpoints,
        {
          ...{ cluster: '0a'.repeat(16), node: 'nabcdefghijklmnop', number: 1 },
          ...{ endpoint: '0.0.0.0:51820', signature: 'A'.repeat(86) },
        },
      ],
    },
    /endpoints\.0\.endpoint/,
  ],
]
for (const [what, change, message] of refused)
  t.test(`tokensOf() refuses, with the reason, a token with what cannot be used: ${what}`, async t =>
    t.throws(() => tokensOf(headerOf(change)), { name: 'SyntaxError', message }),
  )
