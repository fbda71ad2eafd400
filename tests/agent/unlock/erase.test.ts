import { copyFile, type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readDataState } from '../../../agent/disk/blank.ts'
import { keyslotsBytes, keyslotsOffset } from '../../../agent/disk/luks2.ts'
import { commitEnrollment } from '../../../agent/unlock/commit.ts'
import { eraseVolume, type Put } from '../../../agent/unlock/erase.ts'
import { withHeader } from '../../../agent/unlock/header-file.ts'
import { openNode } from '../../../agent/unlock/open.ts'
import { readNodeToken } from '../../../agent/unlock/tokens.ts'
import { bench, sampleEnrollment } from './node-samples.ts'

// Each case writes 18 MiB, twice.
t.setTimeout(180_000)

const folder = t.testdir({ once: {}, again: {} })
const original = await bench(join(folder, 'once'))
const enrollment = sampleEnrollment()
await commitEnrollment(original.world, original.volume, enrollment)
const { device } = original.volume
const slots = (file: FileHandle) => bytesAt(file, keyslotsOffset, keyslotsBytes)

const putAll: Put = async (file, offset, bytes) => {
  await file.write(bytes, 0, bytes.length, offset)
}

/** Writes so many whole pieces, then this part of the next, and fails: the power is cut. */
function cutAt(place: number, part: (bytes: Uint8Array) => readonly [from: number, to: number]): Put {
  let passed = 0
  return async (file, offset, bytes) => {
    if (++passed < place) return putAll(file, offset, bytes)
    const [from, to] = part(bytes)
    await putAll(file, offset + from, bytes.subarray(from, to))
    throw new Error('power cut')
  }
}

async function pieces(): Promise<number> {
  const copy = join(folder, 'count.img')
  await copyFile(device, copy)
  let count = 0
  await eraseVolume(copy, async (file, offset, bytes) => {
    count += 1
    await putAll(file, offset, bytes)
  })
  return count
}

/** An enrolled header has to be one that a boot can read, or nobody could go on. */
async function stateOf(path: string): Promise<string> {
  const { kind } = await readDataState(path)
  if (kind === 'enrolled')
    await withHeader(path, join(folder, 'header'), ({ header }) => Promise.resolve(readNodeToken(header)))
  return kind
}

const sector = 512
const parts = {
  'before it': () => [0, 0],
  'after its first sector': () => [0, sector],
  'half way': (bytes: Uint8Array) => [0, bytes.length / 2],
  'after its end alone': (bytes: Uint8Array) => [bytes.length / 2, bytes.length],
  'after it': (bytes: Uint8Array) => [0, bytes.length],
} as const satisfies Record<string, (bytes: Uint8Array) => readonly [number, number]>

const count = await pieces()
// The keyslots are so many alike pieces: the first and the last of them will do.
const places = Array.from({ length: count }, (_, at) => at + 1).filter(at => at === 1 || at >= 16)
for (const place of places)
  for (const [when, part] of Object.entries(parts))
    t.test(`a power cut at piece ${place} of ${count}, ${when}: it can be ended`, async t => {
      const copy = join(folder, 'cut.img')
      await copyFile(device, copy)
      await t.rejects(eraseVolume(copy, cutAt(place, part)), { message: 'power cut' })
      const state = await stateOf(copy)
      t.ok(['enrolled', 'pending', 'blank'].includes(state), state)
      if (state !== 'blank') await eraseVolume(copy)
      t.same(await readDataState(copy), { kind: 'blank' })
    })

async function bytesAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  await file.read(bytes, 0, length, offset)
  return bytes
}

t.test('afterwards there is no header, no token and no key, and the node can be enrolled anew', async t => {
  const made = await bench(join(folder, 'again'), original)
  await eraseVolume(made.volume.device)
  await using file = await open(made.volume.device, 'r')
  t.ok((await bytesAt(file, 0, keyslotsOffset)).every(byte => byte === 0))
  const before = await open(device, 'r')
  const [old, now] = [await slots(before), await slots(file)]
  await before.close()
  for (let at = 0; at < old.length; at += 4096)
    if (old.subarray(at, at + 4096).equals(now.subarray(at, at + 4096))) t.fail(`the same at ${at}`)
  await t.rejects(openNode(made.world, made.volume, { secret: enrollment.secret }), { name: 'SyntaxError' })
  const anew = sampleEnrollment()
  await commitEnrollment(made.world, made.volume, anew)
  await t.resolves(openNode(made.world, made.volume, { secret: anew.secret }))
})
