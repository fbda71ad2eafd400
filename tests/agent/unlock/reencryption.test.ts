import t from 'tap'
import { dataOffset } from '../../../agent/disk/luks2.ts'
import { run } from '../../../agent/system/run.ts'
import { checkLuksHeader } from '../../../agent/unlock/luks-header.ts'
import { beginReencryption } from '../../../agent/unlock/reencrypt.ts'
import { formattedFile, goodPair, withMetadata } from './luks-samples.ts'
import {
  at,
  clean,
  dropOld,
  type Edit,
  end,
  hot,
  json,
  type Metadata,
  mib,
  part,
  place,
  unmarked,
} from './reencryption-samples.ts'

const { device, secret } = await formattedFile(t.testdir())
await beginReencryption(run, { device, secret, keyslot: 0 })
const { primary, secondary } = await goodPair(device)

// These are the forms that cryptsetup was seen to write.
const forms: readonly (readonly [string, Edit, object])[] = [
  ['nothing done yet', () => undefined, { kind: 'clean', doneBytes: 0 }],
  ['16 MiB done', clean, { kind: 'clean', doneBytes: 16 * mib }],
  [
    'an open volume, whose size is told',
    m => {
      clean(m)
      edited(m, '1', { size: String(20 * mib) })
    },
    { kind: 'clean', doneBytes: 16 * mib },
  ],
  [
    'the first zone',
    m => {
      const running = [part(0, 16 * mib, 'in-reencryption'), part(16 * mib, 'dynamic')]
      place(m, running, { before: ['0', '1', '2'], after: ['0', '3'] })
    },
    { kind: 'hot', doneBytes: 0 },
  ],
  ['a zone', hot, { kind: 'hot', doneBytes: 16 * mib }],
  [
    'the last zone',
    m => {
      const running = [part(0, 16 * mib), part(16 * mib, 5 * mib, 'in-reencryption')]
      place(m, running, { before: ['1', '2'], after: ['1', '0', '3'] })
    },
    { kind: 'hot', doneBytes: 16 * mib },
  ],
  ['the end', end, { kind: 'ended', oldKeyslots: ['0'], newKeyslot: '1' }],
  [
    'the end, without the old keyslot',
    m => {
      end(m)
      dropOld(m)
    },
    { kind: 'ended', oldKeyslots: [], newKeyslot: '1' },
  ],
  ['a new key that is not used yet', unmarked, { kind: 'begun', oldKeyslots: ['0'], newKeyslot: '1' }],
]

for (const [what, edit, expected] of forms)
  t.test(`checkLuksHeader() takes ${what}`, t => {
    t.match(checkLuksHeader({ primary: withMetadata(primary, edit), secondary }).reencryption, expected)
    t.end()
  })

const slot = (m: Metadata) => at(m, 'keyslots', '2')
const hostile: readonly (readonly [string, Edit])[] = [
  ['the form before CVE-2021-4122', m => require(m, 'online-reencrypt')],
  ['a requirement of later', m => require(m, 'online-reencrypt-v3')],
  [
    'two requirements',
    m => (m['config'] = json({ ...m['config'], requirements: { mandatory: ['online-reencrypt-v2', 'x'] } })),
  ],
  ['a decryption', m => (slot(m)['mode'] = json('decrypt'))],
  ['an encryption', m => (slot(m)['mode'] = json('encrypt'))],
  ['another direction', m => (slot(m)['direction'] = json('backward'))],
  ['no protection of the zone', m => (slot(m)['area'] = json({ ...slot(m)['area'], type: 'none' }))],
  [
    'a data shift',
    m => (slot(m)['area'] = json({ ...slot(m)['area'], type: 'datashift', shift_size: '4096' })),
  ],
  ['an area over the metadata', m => (at(slot(m), 'area')['offset'] = json('4096'))],
  ['an area over a keyslot', m => (at(slot(m), 'area')['offset'] = json('2097152'))],
  ['an area over the data', m => (at(slot(m), 'area')['size'] = json('16777216'))],
  ['no such keyslot', m => delete m['keyslots']?.['2']],
  ['two of them', m => (m['keyslots'] = json({ ...m['keyslots'], '3': slot(m) }))],
  ['data that ends in the clear', m => both(m, { type: 'linear' })],
  ['a null cipher to come', m => edited(m, '2', { encryption: 'cipher_null-ecb' })],
  ['a null cipher of before', m => edited(m, '1', { encryption: 'cipher_null-ecb' })],
  ['a null cipher of now', m => edited(m, '0', { encryption: 'cipher_null-ecb' })],
  ['an older cipher to come', m => edited(m, '2', { encryption: 'aes-cbc-plain64' })],
  ['integrity tags to come', m => edited(m, '2', { integrity: { type: 'none' } })],
  ['other sectors to come', m => edited(m, '2', { sector_size: 512 })],
  ['data that moves', m => edited(m, '2', { offset: String(dataOffset + mib) })],
  ['a moved segment', m => edited(m, '2', { flags: ['backup-moved-segment'] })],
  ['no segment of before', m => delete m['segments']?.['1']],
  ['another IV', m => edited(m, '0', { iv_tweak: '8' })],
  ['a hole', m => clean(m) ?? edited(m, '1', { offset: String(dataOffset + 17 * mib), iv_tweak: '34816' })],
  ['an overlap', m => clean(m) ?? edited(m, '0', { size: String(17 * mib) })],
  ['a part of a sector', m => clean(m) ?? edited(m, '0', { size: '100' })],
  ['a rest of no size', m => clean(m) ?? edited(m, '1', { size: '0' })],
  ['two zones', m => hot(m) ?? edited(m, '0', { flags: ['in-reencryption'] })],
  ['the keys the wrong way round', m => clean(m) ?? swap(m)],
  ['a zone that has one key', m => hot(m) ?? (at(m, 'digests', '0')['segments'] = json(['2', '3']))],
  ['a digest too few', m => delete m['digests']?.['2']],
  ['one digest for both keys', m => (at(m, 'digests', '0')['segments'] = json(['0', '1', '2']))],
  ['a digest of the keys that is of a segment', m => (at(m, 'digests', '2')['segments'] = json(['0']))],
  ['no old keyslot in the middle', m => clean(m) ?? dropOld(m)],
  ['two old keyslots', m => both2(m)],
  ['no new keyslot', m => delete m['keyslots']?.['1']],
  ['a token of another', m => (m['tokens'] = json({ '3': { type: 'luks2-keyring', keyslots: [] } }))],
  ['iterations that take hours', m => (at(m, 'digests', '2')['iterations'] = json(4_000_000_000))],
]

function require(m: Metadata, requirement: string): void {
  m['config'] = json({ ...m['config'], requirements: { mandatory: [requirement] } })
}

function edited(m: Metadata, id: string, change: object): void {
  m['segments'] = json({ ...m['segments'], [id]: { ...at(m, 'segments', id), ...change } })
}

function both(m: Metadata, change: object): void {
  edited(m, '0', change)
  edited(m, '2', change)
}

function swap(m: Metadata): void {
  const [before, after] = [at(m, 'digests', '0'), at(m, 'digests', '1')]
  const first = before['segments']
  before['segments'] = json(['0', '2'])
  after['segments'] = json(['1', '3'])
  if (first === undefined) throw new Error('no segments')
}

function both2(m: Metadata): void {
  m['keyslots'] = json({
    ...m['keyslots'],
    '3': { ...at(m, 'keyslots', '0'), area: { ...at(m, 'keyslots', '0', 'area'), offset: '10485760' } },
  })
  at(m, 'digests', '0')['keyslots'] = json(['0', '3'])
  at(slot(m), 'area')['size'] = json('4096')
}

for (const [why, edit] of hostile)
  t.throws(
    () => checkLuksHeader({ primary: withMetadata(primary, edit), secondary }),
    { name: 'SyntaxError' },
    `checkLuksHeader() refuses: ${why}`,
  )
