import t from 'tap'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { changeRecord, type RecordKeeper } from '../../../agent/node/records.ts'
import { binaryBytes, copyBytes } from '../../../agent/disk/luks2.ts'
import { run, type Run } from '../../../agent/system/run.ts'
import { boxMoreBytes } from '../../../protocol/aead.ts'
import { macRecord } from '../../../protocol/record.ts'
import { commitEnrollment, updateRecord } from '../../../agent/unlock/commit.ts'
import { readLuksHeader } from '../../../agent/unlock/header-read.ts'
import { tokenBytesMax, type TokenType } from '../../../agent/unlock/luks-schema.ts'
import { openNode } from '../../../agent/unlock/open.ts'
import { readKept, storeFolder } from '../../../agent/unlock/record-store.ts'
import {
  nodeToken,
  readNodeToken,
  readSharesToken,
  sharesBytesMax,
  sharesToken,
} from '../../../agent/unlock/tokens.ts'
import { type LuksToken, writeToken } from '../../../agent/unlock/volume.ts'
import { largestRecord } from './largest-record.ts'
import { formattedFile, goodPair } from './luks-samples.ts'
import { bench, sampleEnrollment } from './node-samples.ts'

const sample = await formattedFile(t.testdir())
const types = Object.keys(tokenBytesMax) as readonly TokenType[]

async function volume(t: { testdir(): string }): Promise<string> {
  const device = join(t.testdir(), 'data.img')
  await copyFile(sample.device, device)
  return device
}

/** A token of so many bytes more than is read. */
function longToken(type: TokenType, more = 0): LuksToken {
  const empty: LuksToken = { type, keyslots: [], text: '' }
  return { ...empty, text: 'y'.repeat(tokenBytesMax[type] + more - JSON.stringify(empty).length) }
}

for (const type of types)
  t.test(
    `writeToken() refuses ${type} with a byte more than is read, before a program is started`,
    async t => {
      const none: Run = () => t.fail('cryptsetup was started') as never
      const message = new RegExp(`Cannot write token ${type}: it has more than`)
      await t.rejects(writeToken(none, sample.device, longToken(type, 1)), { name: 'RangeError', message })
    },
  )

t.test('all tokens at once are read back with as many bytes as they may have', async t => {
  const device = await volume(t)
  for (const type of types) await writeToken(run, device, longToken(type))
  const { metadata } = await readLuksHeader(device)
  t.same(
    Object.values(metadata.tokens),
    types.map(type => longToken(type)),
  )
})

t.test('the record of the largest cluster is read back, with all shares that a node may hold', async t => {
  const device = await volume(t)
  const signed = macRecord(largestRecord(sample.uuid), Buffer.alloc(32))
  const box = Buffer.alloc(sharesBytesMax + boxMoreBytes, 255)
  await writeToken(run, device, sharesToken(box))
  await writeToken(run, device, longToken('orama-escrow'))
  await writeToken(run, device, nodeToken(signed))
  const header = await readLuksHeader(device)
  t.same(readNodeToken(header), signed)
  t.same(readSharesToken(header), box)
  // On the disk, in whatever way cryptsetup escapes it.
  const { primary } = await goodPair(device)
  t.ok(Buffer.byteLength(primary.json) < copyBytes - binaryBytes)
})

t.test(
  'a record that would not be read back is not written, and the node goes on with the one before',
  async t => {
    const { world, volume, steps } = await bench(t.testdir())
    const enrollment = sampleEnrollment()
    const { record } = await commitEnrollment(world, volume, enrollment)
    const [member] = largestRecord(record.luksUuid).membership.members
    if (member === undefined) throw new Error('no member')
    const fat = { ...member, grant: { ...member.grant, text: 'a'.repeat(32_768) } }
    const membership = { members: Array.from({ length: 24 }, () => fat), departures: [] }
    const keeper: RecordKeeper = {
      record,
      keepRecord: async next => (await updateRecord(world, volume, next)).record,
    }
    steps.length = 0
    await t.rejects(
      changeRecord(keeper, before => ({ ...before, membership })),
      {
        name: 'RangeError',
        message: /Cannot write token orama-node/,
      },
    )
    t.same([steps, keeper.record], [[], record])
    t.match(await readKept(storeFolder(volume.mountPoint)), { record })
    await changeRecord(keeper, before => ({ ...before, lastOrder: 5 }))
    const opened = await openNode(world, volume, enrollment)
    t.match(opened.record, { lastOrder: 5, revision: 2 })
  },
)
