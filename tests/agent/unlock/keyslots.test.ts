import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import t from 'tap'
import { settle } from '../../../agent/shares/change.ts'
import { commitEnrollment } from '../../../agent/unlock/commit.ts'
import { readLuksHeader } from '../../../agent/unlock/header-read.ts'
import { keyslotsOf } from '../../../agent/unlock/keyslots.ts'
import { openNode } from '../../../agent/unlock/open.ts'
import { storeFolder, volumeKeyPath } from '../../../agent/unlock/record-store.ts'
import { beginReencryption } from '../../../agent/unlock/reencrypt.ts'
import { isWrongSecret, removeToken, writeToken } from '../../../agent/unlock/volume.ts'
import { newDisk, processOn } from '../shares/fake-world.ts'
import { goodPair, withMetadata, writeCopies } from './luks-samples.ts'
import { bench, sampleEnrollment } from './node-samples.ts'
import { clean, dropOld, type Edit, end, hot, unmarked } from './reencryption-samples.ts'

// Enrolled once; each test gets a copy of its own.
const original = await bench(t.testdir())
const enrollment = sampleEnrollment()
await commitEnrollment(original.world, original.volume, enrollment)

async function enrolled(t: { testdir(): string }) {
  const { world, volume } = await bench(t.testdir(), original)
  return { world, volume, keyslots: keyslotsOf(world, volume) }
}

t.test('the volume key lies on the data partition, for its owner alone', async t => {
  const { size, mode } = await stat(volumeKeyPath(storeFolder(original.volume.mountPoint)))
  t.same([size, mode & 0o777], [64, 0o400])
})

t.test('a keyslot is added without the secret of another, opens, and survives it', async t => {
  const { world, volume, keyslots } = await enrolled(t)
  const secret = randomBytes(32)
  t.same(await keyslots.list(), [0])
  t.equal(await keyslots.add(secret), 1)
  t.same(await keyslots.list(), [0, 1])
  await t.resolves(openNode(world, volume, { secret }))
  await keyslots.kill(0)
  t.same(await keyslots.list(), [1])
  await t.resolves(openNode(world, volume, { secret }))
  const old = await openNode(world, volume, { secret: enrollment.secret }).catch((error: unknown) => error)
  t.ok(isWrongSecret(old), 'the old secret opens nothing')
  t.equal(await keyslots.add(randomBytes(32)), 0, 'the lowest number that is free')
})

t.test('a ninth keyslot is refused, and a secret of another length', async t => {
  const { keyslots } = await enrolled(t)
  await t.rejects(keyslots.add(randomBytes(31)), { name: 'RangeError' })
  for (let at = 1; at < 8; at++) await keyslots.add(randomBytes(32))
  await t.rejects(keyslots.add(randomBytes(32)), { message: /all 8 are taken/ })
})

t.test('with the volume key of another disk no keyslot is added', async t => {
  const { keyslots } = await enrolled(t)
  const other = await bench(t.testdir())
  await commitEnrollment(other.world, other.volume, sampleEnrollment())
  const strange = keyslotsOf(original.world, {
    ...original.volume,
    mountPoint: other.volume.mountPoint,
  })
  await t.rejects(strange.add(randomBytes(32)), { name: 'ProgramError' })
  t.same(await keyslots.list(), [0])
})

t.test('all that writes the header waits for its turn: cryptsetup would give up', async t => {
  const { world, volume, keyslots } = await enrolled(t)
  const token = { type: 'orama-shares', keyslots: [] } as const
  const writes = [1, 2, 3].map(() => writeToken(world.run, volume.device, token))
  await Promise.all([...writes, keyslots.add(randomBytes(32))])
  await Promise.all([keyslots.kill(0), removeToken(world.run, volume.device, 'orama-shares')])
  t.equal((await keyslots.list()).length, 1)
})

type Test = { testdir(): string; fail(message: string): boolean }

/** An open node, whose record names keyslot 0, with a header that was marked for re-encryption, and edited. */
async function reencrypted(t: Test, edit: Edit) {
  const { world, volume } = await bench(t.testdir(), original)
  await beginReencryption(world.run, { ...volume, secret: enrollment.secret, keyslot: 0 })
  const { primary, secondary } = await goodPair(volume.device)
  await writeCopies(volume.device, [withMetadata(primary, edit), withMetadata(secondary, edit)])
  const keyslots = keyslotsOf(world, volume)
  const reach = () => t.fail('a guardian was asked') as never
  const node = { ...processOn(newDisk(enrollment.record.nodeId), { reach }), keyslots }
  return { ...volume, keyslots, settle: () => settle(node, { keyslot: 0 }) }
}

const stopped: readonly (readonly [string, Edit, number[]])[] = [
  ['before its first zone', () => undefined, [0, 1, 2]],
  ['between two zones', clean, [0, 1, 2]],
  ['inside of a zone', hot, [0, 1, 2]],
  ['before its end', end, [0, 1, 2]],
  ['at its end, the old keyslot gone', m => end(m) ?? dropOld(m), [1, 2]],
]
for (const [when, edit, slots] of stopped)
  t.test(`a re-encryption that stopped ${when} keeps all its keyslots`, async t => {
    const { device, keyslots, settle } = await reencrypted(t, edit)
    const before = await readFile(device)
    for (const slot of slots) await t.rejects(keyslots.kill(slot), { message: /is being given a new key/ })
    await t.rejects(settle(), { message: /Cannot destroy keyslot/ })
    t.same(await keyslots.list(), slots)
    t.ok((await readFile(device)).equals(before))
  })

t.test('of a re-encryption that was cut off before its mark the new keyslot is destroyed', async t => {
  const { device, keyslots, settle } = await reencrypted(t, unmarked)
  t.match(await readLuksHeader(device), { reencryption: { kind: 'begun', newKeyslot: '1' } })
  await settle()
  t.same(await keyslots.list(), [0])
})

t.test('no keyslot of a header that is not to be trusted is destroyed', async t => {
  const { device, keyslots } = await reencrypted(t, m => delete m['digests']?.['2'])
  const before = await readFile(device)
  await t.rejects(keyslots.kill(1), { name: 'SyntaxError' })
  t.ok((await readFile(device)).equals(before))
})
