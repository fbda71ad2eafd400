import { stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeSlot, type Slot, uuidOf, verityTable } from '../../../image/rootfs/squashfs.ts'
import { put } from './small-tree.ts'

process.env['ORAMA_CACHE'] = t.testdir()

const rootHash = '00112233445566778899aabbccddeeff'.padEnd(64, '0')

t.test('uuidOf() writes the first 128 bits of a hash as a UUID', async t =>
  t.equal(uuidOf(rootHash), '00112233-4455-6677-8899-aabbccddeeff'),
)

t.test('verityTable() is the line that the kernel documents for dm-verity', async t => {
  const partUuid = uuidOf(rootHash)
  const slot: Slot = { file: '', bytes: 16_384, dataBytes: 8192, rootHash, salt: 'ab'.repeat(32), partUuid }
  const device = `PARTUUID=${partUuid}`
  const table = `1 ${device} ${device} 4096 4096 2 3 sha256 ${rootHash} ${slot.salt} 1 panic_on_corruption`
  t.equal(verityTable(slot), `root,,,ro,0 16 verity ${table}`)
})

async function treeWith(root: string, text: string, timeS: number): Promise<string> {
  await put(root, 'tree/etc/x', { text })
  await utimes(join(root, 'tree/etc/x'), timeS, timeS)
  return join(root, 'tree')
}

t.test('makeSlot() gives one root hash for one content, whatever the times of files', async t => {
  const [one, two] = [t.testdir({ one: {}, two: {} }), 'slot.img']
  const first = await makeSlot(await treeWith(join(one, 'one'), 'x', 1), join(one, 'one', two), 1_700_000_000)
  const second = await makeSlot(
    await treeWith(join(one, 'two'), 'x', 2),
    join(one, 'two', two),
    1_700_000_000,
  )
  t.match(first.rootHash, /^[0-9a-f]{64}$/)
  t.equal(second.rootHash, first.rootHash)
  t.equal(first.partUuid, uuidOf(first.rootHash))
  t.equal(first.dataBytes % 4096, 0)
  t.equal((await stat(first.file)).size, first.bytes)
})

t.test('makeSlot() gives another root hash for another content', async t => {
  const folder = t.testdir({ one: {}, two: {} })
  const slots = []
  for (const name of ['one', 'two'])
    slots.push(await makeSlot(await treeWith(join(folder, name), name, 1), join(folder, `${name}.img`), 1))
  t.not(slots[0]?.rootHash, slots[1]?.rootHash)
})

t.test('makeSlot() refuses a tree that is not there', async t => {
  const folder = t.testdir()
  await t.rejects(makeSlot(join(folder, 'none'), join(folder, 'slot.img'), 1), {
    message: /'mksquashfs' ended/,
  })
})
