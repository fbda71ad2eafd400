import { join } from 'node:path'
import t from 'tap'
import { backupSectors, primarySectors, sectorBytes } from '../../../agent/disk/gpt.ts'
import { hashFile } from '../../../image/cache.ts'
import { type Disk, makeRawCopy } from '../../../qemu/disk.ts'
import type { WriteEntry } from '../../../qemu/write-log.ts'
import { espFiles } from '../support/esp-files.ts'
import { testImage } from '../support/image.ts'
import { bootMs, connect, diskBytes, must } from '../support/node.ts'
import { overlap, partitionFile, type PartitionFile } from '../support/partition-file.ts'
import { partitionOf, tableOf, type Range } from '../support/raw-disk.ts'
import { judgePartition, recordEnrollment, type Verdict } from '../support/recording.ts'
import { query } from '../support/rqlite.ts'
import { nodeFile } from '../support/wallet-file.ts'

const mib = 1024 * 1024
// Where the verdict on a data partition comes from: the header with its keyslots, and marks of others at the end.
const headBytes = 24 * mib
const tailBytes = mib

t.test('the power is cut at any write of an enrollment', async t => {
  const recording = await recordEnrollment(t, await testImage('ordinary'))
  const { site, data } = recording
  await using replay = await recording.replay('replay')
  const partition = await partitionFile(replay.disk, join(site.folder, 'data.img'), data)
  const verdicts = [await judgePartition(recording, partition.file)]
  const tables = new Set<string>()
  const bad: string[] = []
  const esp = await partitionOf(replay.disk, 'esp')
  const bootable = await entryJudge(replay.disk, site.folder)
  const unbootable: string[] = []
  let entriesJudged = 0
  let judged = 1
  let committed: Disk | undefined

  const judge = async (what: string) => {
    const verdict = await judgePartition(recording, partition.file)
    judged++
    if (!['blank', 'pending', 'enrolled'].includes(verdict.kind)) bad.push(`${what}: ${describe(verdict)}`)
    if (verdict.kind !== verdicts.at(-1)?.kind) verdicts.push(verdict)
  }
  for (let count = 1; count <= replay.count; count++) {
    const entry = await replay.advance(count)
    if (entry === undefined || !changes(entry)) continue
    if (placesOf([esp], entry)) {
      const found = await bootable()
      entriesJudged++
      if (!found.some(({ whole }) => whole)) unbootable.push(`write ${count}: ${JSON.stringify(found)}`)
    }
    if (placesOf(tablePlaces, entry)) tables.add(await describeTable(replay.disk.file))
    if (!placesOf(verdictPlaces(data), entry)) await partition.follow(entry)
    else {
      await followHalf(partition, entry)
      await judge(`half of write ${count}`)
      await partition.follow(entry)
      await judge(`write ${count}`)
      if (verdicts.at(-1)?.kind === 'enrolled')
        committed ??= await makeRawCopy(replay.disk, join(site.folder, 'committed.img'))
    }
  }

  t.comment(`${replay.count} writes, discards and flushes; ${judged} states of the header judged`)
  await t.test('the data partition is blank or pending, or enrolled and opens with the escrow', async t => {
    t.same(bad, [])
    t.same(
      verdicts.map(({ kind }) => kind),
      ['blank', 'pending', 'enrolled'],
    )
  })
  await t.test('a whole boot entry is there, though loader and agent count in its name', async t => {
    t.same(unbootable, [])
    t.ok(entriesJudged > 2, `${entriesJudged} writes to the ESP`)
    t.same(await bootable(), [{ name: 'os-a+3-0.efi', whole: true }])
  })
  await t.test('the partition table can be read, with all its partitions', async t => {
    t.same([...tables], ['esp rootfs-A rootfs-B data'])
  })

  if (committed === undefined) throw new Error('Cannot find the commit in the log')
  const disk = committed
  await t.test(
    'a machine that starts from the commit is locked; the same command finishes it, its owner unlocks it',
    async t => {
      t.equal((await nodeFile(site)).enrolled, undefined, 'its operator has no answer')
      const machine = await site.boot({ name: 'committed', disk })
      await machine.console.waitFor('STATE locked\n', bootMs)
      await connect(site)
      t.match(must(await site.orama(...recording.command)), 'is enrolled')
      must(await site.orama('node', 'unlock', '--genesis', '--node-ip', '10.0.0.1'))
      await machine.console.waitFor('STATE ready\n', bootMs)
      t.match(await query(site, 'SELECT 1'), '1')
    },
  )
})

function changes({ kind, bytes }: WriteEntry): boolean {
  return (kind === 'write' || kind === 'discard') && bytes > 0
}

function verdictPlaces({ offset, bytes }: Range): Range[] {
  return [
    { offset, bytes: headBytes },
    { offset: offset + bytes - tailBytes, bytes: tailBytes },
  ]
}

const tablePlaces: readonly Range[] = [
  { offset: 0, bytes: primarySectors * sectorBytes },
  { offset: diskBytes - backupSectors * sectorBytes, bytes: backupSectors * sectorBytes },
]

function placesOf(places: readonly Range[], entry: WriteEntry): boolean {
  return places.some(place => overlap(place, entry).bytes > 0)
}

type Entry = { readonly name: string; readonly whole: boolean }

/** Tells of a disk's boot entries whether they are what the first one is now. */
async function entryJudge(disk: Disk, folder: string): Promise<() => Promise<readonly Entry[]>> {
  const esp = await espFiles(disk)
  const list = () => esp.list('EFI/Linux')
  const hash = async (name: string) => {
    const copy = join(folder, 'entry.efi')
    await esp.fetch(`EFI/Linux/${name}`, copy)
    return await hashFile(copy)
  }
  const right = await hash((await list())[0] ?? '')
  return async () => {
    const found: Entry[] = []
    for (const name of await list()) {
      const whole = await hash(name).then(
        is => is === right,
        () => false,
      )
      found.push({ name, whole })
    }
    return found
  }
}

/** A write of several sectors that the power cut tore in the middle. */
async function followHalf(partition: PartitionFile, { offset, bytes }: WriteEntry): Promise<void> {
  const half = Math.floor(bytes / sectorBytes / 2) * sectorBytes
  await partition.follow({ offset, bytes: half })
}

async function describeTable(file: string): Promise<string> {
  try {
    const { table } = await tableOf({ file, format: 'raw' })
    return table.partitions.map(partition => partition?.label ?? '').join(' ')
  } catch (error) {
    return String(error)
  }
}

function describe({ kind, why }: Verdict): string {
  return why === '' ? kind : `${kind}: ${why}`
}
