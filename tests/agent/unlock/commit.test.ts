import t from 'tap'
import { existsSync } from 'node:fs'
import { copyFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readDataState } from '../../../agent/disk/blank.ts'
import { commitEnrollment, updateRecord } from '../../../agent/unlock/commit.ts'
import { readHeader } from '../../../agent/unlock/header-file.ts'
import { openNode } from '../../../agent/unlock/open.ts'
import { readKept, storeFolder } from '../../../agent/unlock/record-store.ts'
import { nodeToken, readEscrowToken, readNodeToken } from '../../../agent/unlock/tokens.ts'
import { isWrongSecret, removeToken, writeToken } from '../../../agent/unlock/volume.ts'
import { run } from '../../../agent/system/run.ts'
import { goodPair, writeAt, writeCopies } from './luks-samples.ts'
import { bench, sampleEnrollment, type Bench } from './node-samples.ts'

const stepsOfCommit = [
  'luksFormat',
  'open',
  'mke2fs',
  'mount',
  'luksDump',
  'sync',
  'orama-escrow',
  'orama-node',
]

// Enrolled once; each test gets a copy of its own.
const original = await bench(t.testdir())
const enrollment = sampleEnrollment()
const signed = await commitEnrollment(original.world, original.volume, enrollment)

async function enrolled(t: { testdir(): string }) {
  const made = await bench(t.testdir(), original)
  return { ...made, ...enrollment, signed }
}

t.test('commitEnrollment() does its steps in order, the token orama-node last', async t => {
  const { volume, record, escrow, signed } = await enrolled(t)
  t.same(original.steps, stepsOfCommit)
  t.same(await readDataState(volume.device), { kind: 'enrolled' })
  const { header } = await readHeader(volume.device, volume.headerFile)
  t.same(readNodeToken(header), signed)
  t.same(readNodeToken(header).record, record)
  t.same(readEscrowToken(header), escrow)
})

for (const [index, step] of stepsOfCommit.entries())
  t.test(`a failure at ${step} leaves a partition that the next enrollment may format`, async t => {
    const made = await bench(t.testdir())
    made.fail.at = index + 1
    await t.rejects(commitEnrollment(made.world, made.volume, sampleEnrollment()), {
      message: /stopped before/,
    })
    const { kind } = await readDataState(made.volume.device)
    t.equal(kind, index === 0 ? 'blank' : 'pending')
    if (index > 1) t.same(made.steps.slice(-2), ['unmount', 'close'])
  })

t.test('after a failure at the last moment the next enrollment succeeds', async t => {
  const made = await bench(t.testdir())
  made.fail.at = stepsOfCommit.length
  await t.rejects(commitEnrollment(made.world, made.volume, sampleEnrollment()), {
    message: /stopped before/,
  })
  made.fail.at = 0
  const again = sampleEnrollment()
  await commitEnrollment(made.world, made.volume, again)
  t.same((await openNode(made.world, made.volume, { secret: again.secret })).record, again.record)
})

t.test('a failure right after the commit leaves an enrolled node', async t => {
  const made = await bench(t.testdir())
  made.fail.at = stepsOfCommit.length
  made.fail.how = 'after'
  const enrollment = sampleEnrollment()
  await t.rejects(commitEnrollment(made.world, made.volume, enrollment), {
    message: /stopped after orama-node/,
  })
  t.same(await readDataState(made.volume.device), { kind: 'enrolled' })
  t.same((await openNode(made.world, made.volume, { secret: enrollment.secret })).record, enrollment.record)
})

const occupied: readonly (readonly [string, (made: Bench) => Promise<unknown>, RegExp])[] = [
  [
    'an enrolled node',
    made => commitEnrollment(made.world, made.volume, sampleEnrollment()),
    /belongs to an enrolled node/,
  ],
  [
    'a file system',
    made => run('mke2fs', ['-q', '-F', '-t', 'ext4', made.volume.device]),
    /holds ext2, ext3 or ext4/,
  ],
  [
    'unknown data',
    made => writeAt(made.volume.device, 77, Buffer.from('x')),
    /holds unknown data at offset 77/,
  ],
]

for (const [what, fill, message] of occupied)
  t.test(`commitEnrollment() never formats ${what}`, async t => {
    const made = await bench(t.testdir())
    await fill(made)
    made.steps.length = 0
    await t.rejects(commitEnrollment(made.world, made.volume, sampleEnrollment()), { message })
    t.same(made.steps, [])
  })

t.test(
  'openNode() opens, mounts a clean file system as it is; the header copy is gone afterwards',
  async t => {
    const { world, volume, secret, signed, steps } = await enrolled(t)
    steps.length = 0
    t.match(await openNode(world, volume, { secret }), signed)
    t.same(steps, ['open', 'mount'])
    t.notOk(existsSync(volume.headerFile))
  },
)

t.test('openNode() with a wrong secret mounts nothing, and says that it was the secret', async t => {
  const { world, volume, secret, steps } = await enrolled(t)
  steps.length = 0
  const error = await openNode(world, volume, {
    secret: Buffer.from(secret).fill(0, 0, 1),
  }).catch((e: unknown) => e)
  t.ok(isWrongSecret(error))
  t.same(steps, ['open'])
  t.notOk(existsSync(volume.headerFile))
})

type Node = Awaited<ReturnType<typeof enrolled>>

/** What somebody with the disk, but without the secret, can do. */
const tampered: readonly (readonly [
  string,
  (node: Node, folder: string) => Promise<unknown>,
  RegExp,
  'closed' | 'never opened',
])[] = [
  [
    'an edited owner',
    node => edited(node, { owner: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359' }),
    /not written by this node/,
    'closed',
  ],
  ['an edited revision', node => edited(node, { revision: 9 }), /not written by this node/, 'closed'],
  ['a token of last week', tokenOfLastWeek, /revision 1 is older than 2/, 'closed'],
  [
    'a token whose write failed, after another of its revision',
    tokenThatFailed,
    /revision 2 is not what was written/,
    'closed',
  ],
  ['the token of another node', tokenOfAnother, /written for another volume/, 'never opened'],
  ['the token of another node with our UUID', tokenOfAnotherRenamed, /not written by this node/, 'closed'],
  ['no token', node => removeToken(run, node.volume.device, 'orama-node'), /no such token/, 'never opened'],
  ['a token with an unknown field', unknownField, /Cannot read orama-node/, 'never opened'],
  ['a null cipher', nullCipher, /segments.0.encryption/, 'never opened'],
  [
    'data without a record',
    node => rm(storeFolder(node.volume.mountPoint), { recursive: true }),
    /there is no record/,
    'closed',
  ],
  ['data with another MAC key', otherKey, /not written by this node/, 'closed'],
  [
    'data with a short MAC key',
    node => writeFile(join(storeFolder(node.volume.mountPoint), 'mac.key'), 'x'),
    /need 32 bytes/,
    'closed',
  ],
]

for (const [what, tamper, message, end] of tampered)
  t.test(`openNode() refuses ${what}`, async t => {
    const node = await enrolled(t)
    await tamper(node, node.volume.mountPoint)
    node.steps.length = 0
    await t.rejects(openNode(node.world, node.volume, { secret: node.secret }), { message })
    t.same(node.steps, end === 'closed' ? ['open', 'mount', 'unmount', 'close'] : [])
    t.not((await readDataState(node.volume.device)).kind, 'blank')
  })

async function edited({ volume, signed }: Node, change: object): Promise<void> {
  await writeToken(run, volume.device, nodeToken({ ...signed, record: { ...signed.record, ...change } }))
}

async function tokenOfLastWeek({ world, volume, record }: Node): Promise<void> {
  const before = `${volume.device}.before`
  await copyFile(volume.device, before)
  await updateRecord(world, volume, { ...record, revision: 2 })
  await copyFile(before, volume.device)
}

async function tokenThatFailed({ world, volume, record, fail, steps }: Node): Promise<void> {
  const failed = `${volume.device}.failed`
  fail.at = steps.length + 1
  fail.how = 'after'
  await updateRecord(world, volume, { ...record, revision: 2 }).catch(() => undefined)
  fail.at = 0
  await copyFile(volume.device, failed)
  await updateRecord(world, volume, { ...record, revision: 2, lastOrder: 5 })
  await copyFile(failed, volume.device)
}

async function tokenOfAnother({ volume, signed }: Node): Promise<void> {
  const { record } = sampleEnrollment()
  await writeToken(run, volume.device, nodeToken({ ...signed, record }))
}

async function tokenOfAnotherRenamed(node: Node): Promise<void> {
  const { record } = sampleEnrollment()
  await edited(node, { ...record, luksUuid: node.record.luksUuid })
}

async function unknownField({ volume, signed }: Node): Promise<void> {
  await writeToken(run, volume.device, { ...nodeToken(signed), reshare: true })
}

async function nullCipher({ volume }: Node): Promise<void> {
  const { primary } = await goodPair(volume.device)
  const json = primary.json.replace(
    '"iv_tweak":"0","encryption":"aes-xts-plain64"',
    '"iv_tweak":"0","encryption":"cipher_null-ecb"',
  )
  await writeCopies(volume.device, [{ ...primary, json, seqid: 99n }])
}

async function otherKey({ volume }: Node): Promise<void> {
  await writeFile(join(storeFolder(volume.mountPoint), 'mac.key'), Buffer.alloc(32, 7))
}

t.test('updateRecord() replaces token and record', async t => {
  const { world, volume, secret, record } = await enrolled(t)
  const signed = await updateRecord(world, volume, { ...record, revision: 2, lastOrder: 5 })
  t.match(await openNode(world, volume, { secret }), signed)
  t.same(await readKept(storeFolder(volume.mountPoint)), signed)
})

t.test('updateRecord() refuses a record that does not follow the present one', async t => {
  const { world, volume, record, steps } = await enrolled(t)
  steps.length = 0
  for (const change of [
    { revision: 1 },
    { revision: 3 },
    { revision: 2, luksUuid: sampleEnrollment().record.luksUuid },
  ])
    await t.rejects(updateRecord(world, volume, { ...record, ...change }), { name: 'RangeError' })
  t.same(steps, [])
})

const cuts = [
  ['before the token', 'before', 1],
  ['after the token', 'after', 2],
] as const

for (const [when, how, revision] of cuts)
  t.test(`a power cut ${when} is written leaves a node that opens with one of both records`, async t => {
    const { world, volume, secret, record, fail, steps } = await enrolled(t)
    fail.at = steps.length + 1
    fail.how = how
    await t.rejects(updateRecord(world, volume, { ...record, revision: 2 }), { message: /stopped/ })
    fail.at = 0
    t.equal((await openNode(world, volume, { secret })).record.revision, revision)
    t.equal((await readKept(storeFolder(volume.mountPoint))).record.revision, revision)
    await updateRecord(world, volume, { ...record, revision: revision + 1 })
    t.equal((await openNode(world, volume, { secret })).record.revision, revision + 1)
  })
