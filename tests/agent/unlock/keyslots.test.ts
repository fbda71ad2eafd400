import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import t from 'tap'
import { commitEnrollment } from '../../../agent/unlock/commit.ts'
import { keyslotsOf } from '../../../agent/unlock/keyslots.ts'
import { openNode } from '../../../agent/unlock/open.ts'
import { storeFolder, volumeKeyPath } from '../../../agent/unlock/record-store.ts'
import { isWrongSecret } from '../../../agent/unlock/volume.ts'
import { bench, sampleEnrollment } from './node-samples.ts'

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
