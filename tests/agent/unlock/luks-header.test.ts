import t from 'tap'
import { readFile, truncate } from 'node:fs/promises'
import {
  copyBytes,
  copyOffsets,
  dataOffset,
  keyslotsOffset,
  parseLuksCopy,
  serialiseLuksCopy,
} from '../../../agent/disk/luks2.ts'
import { checkLuksHeader } from '../../../agent/unlock/luks-header.ts'
import { copiesOf, formattedFile, goodPair, spoiledCopy, withMetadata, writeAt } from './luks-samples.ts'

const folder = t.testdir()
const { device, uuid } = await formattedFile(folder)
const { primary, secondary } = await goodPair(device)

t.test('checkLuksHeader() takes what our own format makes', t => {
  const header = checkLuksHeader({ primary, secondary })
  t.match(header, { uuid, copy: { name: 'primary', label: 'orama-pending' } })
  t.notOk('damage' in header)
  t.same(Object.keys(header.metadata.keyslots), ['0'])
  t.end()
})

t.test('serialiseLuksCopy() makes the same bytes that cryptsetup made', async t => {
  const bytes = await readFile(device)
  t.ok(serialiseLuksCopy(primary).equals(bytes.subarray(0, copyBytes)))
  t.ok(serialiseLuksCopy(secondary).equals(bytes.subarray(copyBytes, 2 * copyBytes)))
})

type Edit = Parameters<typeof withMetadata>[1]
const json = (value: unknown) => value as never
const slot = (m: Parameters<Edit>[0]) => m['keyslots']?.['0'] ?? {}
const segment = (m: Parameters<Edit>[0]) => m['segments']?.['0'] ?? {}
const token = (type: string, more = {}) => json({ type, keyslots: [], ...more })

const hostile: readonly (readonly [string, Edit, RegExp])[] = [
  [
    'a null cipher of the data',
    m => (segment(m)['encryption'] = json('cipher_null-ecb')),
    /segments.0.encryption/,
  ],
  [
    'an older cipher of the data',
    m => (segment(m)['encryption'] = json('aes-cbc-plain64')),
    /segments.0.encryption/,
  ],
  [
    'data in the clear',
    m => (m['segments'] = json({ '0': { type: 'linear', offset: '0', size: 'dynamic' } })),
    /segments.0/,
  ],
  ['integrity tags', m => (segment(m)['integrity'] = json({ type: 'none' })), /segments.0.*integrity/],
  ['data at another offset', m => (segment(m)['offset'] = json('16777216')), /segments.0.offset/],
  ['data of a fixed size', m => (segment(m)['size'] = json('1048576')), /segments.0.size/],
  ['sectors of 1 KiB', m => (segment(m)['sector_size'] = json(1024)), /sector_size/],
  ['another IV', m => (segment(m)['iv_tweak'] = json('8')), /iv_tweak/],
  ['a second segment', m => (m['segments'] = json({ ...m['segments'], '1': segment(m) })), /segments/],
  [
    'a reencryption in progress',
    m => (m['config'] = json({ ...m['config'], requirements: ['online-reencrypt-v2'] })),
    /config/,
  ],
  [
    'an unknown requirement',
    m => (m['config'] = json({ ...m['config'], requirements: { mandatory: ['x'] } })),
    /config/,
  ],
  [
    'flags for the kernel',
    m => (m['config'] = json({ ...m['config'], flags: ['no-read-workqueue', 'allow-discards'] })),
    /config/,
  ],
  ['a reencryption keyslot', m => (slot(m)['type'] = json('reencrypt')), /keyslots.0.type/],
  [
    'a null cipher of a keyslot',
    m => ((slot(m)['area'] ?? {})['encryption'] = json('cipher_null-ecb')),
    /area.encryption/,
  ],
  ['a keyslot with a short key', m => (slot(m)['key_size'] = json(32)), /key_size/],
  ['a keyslot area in the metadata', m => ((slot(m)['area'] ?? {})['offset'] = json('4096')), /area/],
  [
    'a keyslot area in the data',
    m => ((slot(m)['area'] ?? {})['offset'] = json(String(dataOffset - 4096))),
    /area/,
  ],
  ['a keyslot area of another size', m => ((slot(m)['area'] ?? {})['size'] = json('4096')), /area.size/],
  [
    'iterations that take hours',
    m => ((slot(m)['kdf'] ?? {})['iterations'] = json(4_000_000_000)),
    /kdf.iterations/,
  ],
  [
    'iterations of the digest that take hours',
    m => ((m['digests']?.['0'] ?? {})['iterations'] = json(4_000_000_000)),
    /digests.0.iterations/,
  ],
  [
    'argon2 with much memory',
    m => (slot(m)['kdf'] = json({ type: 'argon2id', time: 4, memory: 4_000_000, cpus: 4, salt: '' })),
    /kdf/,
  ],
  ['a salt without end', m => ((slot(m)['kdf'] ?? {})['salt'] = json('A'.repeat(4096))), /kdf.salt/],
  ['overlapping keyslot areas', m => twoSlots(m, String(keyslotsOffset)), /areas overlap/],
  ['areas that overlap by a block', m => twoSlots(m, String(keyslotsOffset + 253_952)), /areas overlap/],
  [
    'a keyslot that no digest names',
    m => (m['keyslots'] = json({ '0': slot(m), '1': slot(m) })),
    /digest and keyslots/,
  ],
  ['a keyslot with a strange name', m => (m['keyslots'] = json({ '0': slot(m), '32': slot(m) })), /keyslots/],
  ['a digest that names no keyslot', m => (m['keyslots'] = json({})), /digest and keyslots/],
  [
    'two digests',
    m => (m['digests'] = json({ '0': m['digests']?.['0'], '1': m['digests']?.['0'] })),
    /digests/,
  ],
  ['an unknown token', m => (m['tokens'] = json({ '0': token('systemd-tpm2') })), /tokens.0.type/],
  ['a keyring token', m => (m['tokens'] = json({ '3': token('luks2-keyring') })), /tokens/],
  [
    'a second orama-node',
    m => (m['tokens'] = json({ '0': token('orama-node'), '1': token('orama-node') })),
    /tokens.1.type/,
  ],
  [
    'a token bound to a keyslot',
    m => (m['tokens'] = json({ '0': { type: 'orama-node', keyslots: ['0'] } })),
    /tokens.0.keyslots/,
  ],
  ['an escrow that is too long', longToken('1', 'orama-escrow', 20_000), /too long/],
  ['a record that is too long', longToken('0', 'orama-node', 800_000), /too long/],
  ['an unknown part', m => (m['extra'] = json({})), /extra/],
]

function longToken(id: string, type: string, bytes: number): Edit {
  return m => (m['tokens'] = json({ [id]: token(type, { x: 'y'.repeat(bytes) }) }))
}

function twoSlots(m: Parameters<Edit>[0], offset: string): void {
  const second = structuredClone(slot(m))
  const area = second['area'] ?? {}
  area['offset'] = json(offset)
  m['keyslots'] = json({ '0': slot(m), '1': second })
  const digest = m['digests']?.['0'] ?? {}
  digest['keyslots'] = json(['0', '1'])
}

for (const [why, edit, message] of hostile) {
  const edited = withMetadata(primary, edit)
  t.throws(
    () => checkLuksHeader({ primary: edited, secondary }),
    { message },
    `checkLuksHeader() refuses: ${why}`,
  )
}

t.test('checkLuksHeader() takes two keyslots whose areas touch', t => {
  const edited = withMetadata(primary, m => {
    twoSlots(m, String(keyslotsOffset + 258_048))
  })
  t.equal(Object.keys(checkLuksHeader({ primary: edited, secondary }).metadata.keyslots).length, 2)
  t.end()
})

const bad = { bad: 'bad checksum' }
const fields = [
  ['no good copy', { primary: bad, secondary: bad }, /no good copy: primary: bad checksum; secondary: bad/],
  ['a label that is not ours', { primary: { ...primary, label: 'backup' }, secondary }, /label is not ours/],
  ['a subsystem', { primary: { ...primary, subsystem: 'x' }, secondary }, /subsystem is set/],
  ['a UUID that is a path', { primary: { ...primary, uuid: '../../etc' }, secondary }, /bad UUID/],
  ['metadata that is not JSON', { primary: { ...primary, json: '{"keyslots":' }, secondary }, /not JSON/],
  [
    'metadata that is a list',
    { primary: { ...primary, json: '['.repeat(1e5) + ']'.repeat(1e5) }, secondary },
    /expected object/,
  ],
  [
    'a refused newer copy beside a good older one',
    { primary, secondary: { ...secondary, seqid: 99n, json: '{}' } },
    /keyslots/,
  ],
] as const

for (const [why, copies, message] of fields)
  t.throws(() => checkLuksHeader(copies), { message }, `checkLuksHeader() refuses: ${why}`)

const newer = { ...secondary, seqid: primary.seqid + 1n }
const choices = [
  ['the primary of two equal ones', { primary, secondary }, 'primary', undefined],
  ['the secondary where it is newer', { primary, secondary: newer }, 'secondary', undefined],
  [
    'the largest number there is',
    { primary, secondary: { ...secondary, seqid: 2n ** 64n - 1n } },
    'secondary',
    undefined,
  ],
  [
    'the secondary where the primary is damaged',
    { primary: bad, secondary },
    'secondary',
    'primary: bad checksum',
  ],
  [
    'the primary where the secondary is damaged',
    { primary, secondary: bad },
    'primary',
    'secondary: bad checksum',
  ],
] as const

for (const [what, copies, name, damage] of choices) {
  const header = checkLuksHeader(copies)
  t.same([header.copy.name, header.damage], [name, damage], `checkLuksHeader() chooses ${what}`)
}

const spoiled = (t: { testdir(): string }) => spoiledCopy(t, device)

const binary = [
  ['version 1', 6, '0001', /LUKS version 1/],
  ['metadata of 16 KiB', 8, '0000000000004000', /metadata size/],
  ['metadata of 2^63 bytes', 8, '8000000000000000', /metadata size/],
  ['a copy that says it lies elsewhere', 256, '0000000000100000', /lies elsewhere/],
  ['another checksum algorithm', 72, '73686131', /checksum is not SHA-256/],
  ['a changed label', 24, '41', /bad checksum/],
  ['another magic', 0, '53', /no LUKS2 magic/],
] as const

for (const [why, offset, hex, message] of binary) {
  const bytes = serialiseLuksCopy(primary)
  Buffer.from(hex, 'hex').copy(bytes, offset)
  t.throws(() => parseLuksCopy(bytes, 'primary'), { message }, `parseLuksCopy() refuses: ${why}`)
}

t.test('copiesOf() of a header cut in half tells the damage of each copy', async t => {
  const path = await spoiled(t)
  await truncate(path, copyBytes + copyBytes / 4)
  t.match(await copiesOf(path), {
    primary: { label: 'orama-pending' },
    secondary: { bad: /the end comes before/ },
  })
})

t.test(
  'copiesOf() looks at a secondary copy by itself where it says something else than the primary',
  async t => {
    for (const [offset, hex, bad] of [
      [256, '0000000000000000', /lies elsewhere/],
      [16, '00000000000000ff', /bad checksum/],
      [72, '73686131', /checksum is not SHA-256/],
      [copyBytes - 1, '01', /bad checksum/],
    ] as const) {
      const path = await spoiled(t)
      await writeAt(path, copyOffsets.secondary + offset, Buffer.from(hex, 'hex'))
      t.match(await copiesOf(path), { primary: { label: 'orama-pending' }, secondary: { bad } })
    }
  },
)
