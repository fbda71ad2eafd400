import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { SignedRecord } from '../../protocol/record.ts'
import { syncAll } from '../system/libc.ts'
import { tolerate } from '../system/log.ts'
import type { Run } from '../system/run.ts'
import { checkToken } from './check.ts'
import { checkFs, growFs, mountFs, unmountFs } from './filesystem.ts'
import { withHeader } from './header-file.ts'
import { inHeaderTurn } from './header-turn.ts'
import { endReencryption, settledMetadata } from './header-write.ts'
import type { LuksHeader } from './luks-header.ts'
import { keepRecord, readKept, storeFolder, volumeKeyPath, withKey } from './record-store.ts'
import { recoverVolume } from './reencrypt.ts'
import { readNodeToken } from './tokens.ts'
import { keepVolumeKey } from './volume-key.ts'
import {
  closeVolume,
  isWrongSecret,
  type Opening,
  openVolume,
  secretBytes,
  tryOpen,
  type Volume,
} from './volume.ts'

export type NodeVolume = Volume & {
  /** Where the data is mounted: an existing folder. */
  readonly mountPoint: string
  /** A path on a tmpfs, for the checked copy of the header while it is in use. */
  readonly headerFile: string
}

/** What these steps need of the machine; tests on a host without device-mapper bring their own. */
export type World = {
  readonly run: Run
  mount(device: string, target: string): void
  unmount(target: string): void
  sync(): void
  mapperPath(name: string): string
}

/** The machine itself. */
export function realWorld(run: Run): World {
  return {
    run,
    mount: mountFs,
    unmount: unmountFs,
    sync: syncAll,
    mapperPath: name => join('/dev/mapper', name),
  }
}

export type Opened = SignedRecord & {
  /** By which it was opened. */
  readonly header: LuksHeader
}

type Key = Pick<Opening, 'secret' | 'keyslot'>

/**
 * Opens and mounts the data of an enrolled node, then compares the token with the record on it. What a re-encryption
 * that was cut off has left is put right, but for its going on. Throws, with everything closed, for a header or token
 * not to be trusted, a wrong secret (`isWrongSecret`), or a file system that cannot be used. The secret stays the
 * caller's to wipe.
 */
export async function openNode(world: World, volume: NodeVolume, key: Key): Promise<Opened> {
  const opened = (await openChecked(world, volume, key)) ?? (await recover(world, volume, key))
  try {
    const device = world.mapperPath(volume.name)
    await checkFs(world.run, device)
    world.mount(device, volume.mountPoint)
    await settle(opened, storeFolder(volume.mountPoint))
    await settleKey(world, volume, { ...opened, ...key })
    await growFs(world.run, device)
    return opened
  } catch (error) {
    await abandon(world, volume)
    throw error
  }
}

/** Opens by the checked copy of the header; undefined, with the secret tried, where that is to be recovered first. */
async function openChecked(world: World, volume: NodeVolume, key: Key): Promise<Opened | undefined> {
  return withHeader(volume.device, volume.headerFile, async ({ header, file }) => {
    const token = readNodeToken(header)
    const opening = { ...volume, ...keyFor(header, key), headerFile: file }
    const isHot = header.reencryption?.kind === 'hot'
    await (isHot ? tryOpen : openVolume)(world.run, opening)
    return isHot ? undefined : { ...token, header }
  })
}

/** Puts right the zone of a re-encryption in which the power was cut. What that has left is checked anew. */
async function recover(world: World, volume: NodeVolume, key: Key): Promise<Opened> {
  await recoverVolume(world.run, { ...volume, secret: key.secret })
  const opened = await openChecked(world, volume, key)
  if (opened === undefined) throw new Error('Cannot open volume: its header is not as a recovery leaves it')
  return opened
}

/** In a re-encryption one secret opens two keyslots; the record hears of the new one at the end. */
function keyFor(header: LuksHeader, { secret, keyslot }: Key): Key {
  const { reencryption } = header
  const isThere = String(keyslot) in settledMetadata(header).keyslots
  return reencryption?.kind === 'clean' || reencryption?.kind === 'hot' || !isThere
    ? { secret }
    : { secret, keyslot }
}

/** Ends a re-encryption that had all but ended, and has the kept volume key be the one that the volume has. */
async function settleKey(
  { run }: World,
  { device, mountPoint }: NodeVolume,
  { header, secret }: Opened & Key,
): Promise<void> {
  if (header.reencryption?.kind === 'clean') return
  if (header.reencryption?.kind === 'ended') await inHeaderTurn(device, () => endReencryption(device))
  await keepVolumeKey(run, { device, header, secret, file: volumeKeyPath(storeFolder(mountPoint)) })
}

/**
 * Goes through an unlock up to its secret, with one that opens nothing: what an unlock runs is in memory afterwards,
 * and a header that cryptsetup cannot read is known before its owner comes. Throws for such a header.
 */
export async function rehearse(world: World, volume: NodeVolume): Promise<void> {
  const nothing = randomBytes(secretBytes)
  await withHeader(volume.device, `${volume.headerFile}-rehearsal`, ({ file }) =>
    tryOpen(world.run, { device: volume.device, headerFile: file, secret: nothing }),
  ).catch((cause: unknown) => {
    if (!isWrongSecret(cause)) throw cause
  })
}

/** Checks the token against the record that is kept, and ends a replacement of that which was cut off. */
async function settle({ record, mac }: SignedRecord, folder: string): Promise<void> {
  const kept = await readKept(folder)
  const standing = await withKey(folder, key => Promise.resolve(checkToken({ record, mac }, kept, key)))
  if (standing === 'following') await keepRecord(folder, { record, mac })
}

/** Unmounts and closes what is open of a volume, as far as it is. */
export async function abandon(world: World, volume: NodeVolume): Promise<void> {
  await Promise.resolve()
    .then(() => {
      world.unmount(volume.mountPoint)
    })
    .catch(tolerate('unmount data'))
  await closeVolume(world.run, volume.name).catch(tolerate('close data'))
}
