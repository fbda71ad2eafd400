import type { Escrow } from '../../protocol/escrow.ts'
import type { NodeRecord, SignedRecord } from '../../protocol/record.ts'
import { readDataState } from '../disk/blank.ts'
import { makeFs } from './filesystem.ts'
import { withHeader } from './header-file.ts'
import { abandon, type NodeVolume, type World } from './open.ts'
import { createStore, keepRecord, readKept, signRecord, storeFolder, volumeKeyPath } from './record-store.ts'
import { escrowToken, nodeToken } from './tokens.ts'
import { formatVolume, openVolume, saveVolumeKey, writeToken } from './volume.ts'

export type Enrollment = {
  /** 32 bytes; belongs to the caller, who wipes it. */
  readonly secret: Buffer
  /** Its `luksUuid` is the UUID that the volume is formatted with: chosen before, by `crypto.randomUUID()`. */
  readonly record: NodeRecord
  readonly escrow: Escrow
  /** Both 32 bytes, the caller's to wipe; kept on the encrypted partition alone. */
  readonly clusterSecret: Buffer
  readonly leasePrivate: Buffer
}

/**
 * Formats the data partition and makes the node real. The write of the token `orama-node`, the last step, is the
 * one commit point: before it the partition is blank or pending, and may be formatted by the next enrollment.
 * Afterwards the data is mounted. Throws, with everything closed, when the partition holds something else or a
 * step fails; what is on the disk then is for `readDataState` to say.
 */
export async function commitEnrollment(
  world: World,
  volume: NodeVolume,
  enrollment: Enrollment,
): Promise<SignedRecord> {
  const { run } = world
  const { secret, record, escrow } = enrollment
  await refuseForeign(volume.device)
  await formatVolume(run, { device: volume.device, uuid: record.luksUuid, secret })
  await withHeader(volume.device, volume.headerFile, ({ file }) =>
    openVolume(run, { ...volume, headerFile: file, secret }),
  )
  try {
    await makeFs(run, world.mapperPath(volume.name))
    world.mount(world.mapperPath(volume.name), volume.mountPoint)
    const folder = storeFolder(volume.mountPoint)
    const signed = await createStore(folder, record, enrollment)
    await saveVolumeKey(run, { device: volume.device, secret, file: volumeKeyPath(folder) })
    world.sync()
    await writeToken(run, volume.device, escrowToken(escrow))
    await writeToken(run, volume.device, nodeToken(signed))
    return signed
  } catch (error) {
    await abandon(world, volume)
    throw error
  }
}

async function refuseForeign(device: string): Promise<void> {
  const state = await readDataState(device)
  switch (state.kind) {
    case 'blank':
    case 'pending':
      return
    case 'enrolled':
      throw new Error(`Cannot format '${device}': it belongs to an enrolled node`)
    case 'foreign':
      throw new Error(`Cannot format '${device}': it holds ${state.found}`)
  }
}

/**
 * Replaces the record of an open node: first its token, then what is kept on the data partition. A power cut between
 * leaves a token that the next `openNode` keeps, and so does a call that rejects when the token had reached the disk;
 * another record of the same revision may follow then. Throws RangeError when the revision does not follow the one
 * that is kept. One call at a time.
 */
export async function updateRecord(
  world: World,
  volume: NodeVolume,
  record: NodeRecord,
): Promise<SignedRecord> {
  const folder = storeFolder(volume.mountPoint)
  const kept = (await readKept(folder)).record
  if (record.revision !== kept.revision + 1 || record.luksUuid !== kept.luksUuid)
    throw new RangeError(`Cannot replace record: revision ${record.revision} after ${kept.revision}`)
  const signed = await signRecord(folder, record)
  await writeToken(world.run, volume.device, nodeToken(signed))
  await keepRecord(folder, signed)
  return signed
}
