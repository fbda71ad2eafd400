import { join } from 'node:path'
import t from 'tap'
import type { Disk } from '../../../qemu/disk.ts'
import { makeRawCopy } from '../../../qemu/disk.ts'
import { testImage } from '../support/image.ts'
import { bootMs, enrollment, must, readConsole } from '../support/node.ts'
import { partitionFile } from '../support/partition-file.ts'
import { judgePartition, recordEnrollment, type Recording } from '../support/recording.ts'

// power-cut.e2e.ts judges every prefix of the writes, and starts from the commit; here machines start from others.
t.test('a node starts again after the power was cut during its enrollment', async t => {
  const recording = await recordEnrollment(t, await testImage('ordinary'))
  const { site } = recording
  const cuts = await findCuts(recording)

  for (const [when, disk] of [
    ['just before the commit', cuts.before],
    ['in the middle of the format', cuts.torn],
  ] as const)
    await t.test(`${when}: it waits for its owner, who enrolls it`, async t => {
      const machine = await site.boot({ name: disk.file.replace(/.*\/|\.img$/g, ''), disk })
      t.match(must(await site.orama(...enrollment(site, await readConsole(machine)))), 'is enrolled')
      await machine.console.waitFor('STATE ready\n', bootMs)
      await machine.stop()
    })
})

type Cuts = Readonly<Record<'torn' | 'before', Disk>>

/** Disks at the first write that left a header of ours behind, and one write before the commit. */
async function findCuts(recording: Recording): Promise<Cuts> {
  const { site, data } = recording
  await using replay = await recording.replay('cuts')
  const partition = await partitionFile(replay.disk, join(site.folder, 'cuts.data'), data)
  const at = new Map<string, number>()
  for (let count = 1; count <= replay.count && !at.has('enrolled'); count++) {
    const entry = await replay.advance(count)
    if (entry?.kind !== 'write' || entry.offset >= data.offset + headBytes || entry.offset < data.offset)
      continue
    await partition.follow(entry)
    const { kind } = await judgePartition(recording, partition.file)
    if (!at.has(kind)) at.set(kind, count)
  }
  const commit = at.get('enrolled') ?? 0
  const [torn, before] = await copiesAt(recording, [at.get('pending') ?? 0, commit - 1])
  if (torn === undefined || before === undefined) throw new Error('Cannot find the commit in the log')
  return { torn, before }
}

const headBytes = 24 * 1024 * 1024

async function copiesAt(recording: Recording, counts: readonly number[]): Promise<Disk[]> {
  await using replay = await recording.replay('again')
  const disks: Disk[] = []
  for (const count of counts) {
    await replay.advance(count)
    disks.push(await makeRawCopy(replay.disk, join(recording.site.folder, `cut-${count}.img`)))
  }
  return disks
}
