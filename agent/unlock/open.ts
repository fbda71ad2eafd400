import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { SignedRecord } from '../../protocol/record.ts'
import { syncAll } from '../system/libc.ts'
import { tolerate } from '../system/log.ts'
import type { Run } from '../system/run.ts'
import { checkToken } from './check.ts'
import { checkFs, growFs, mountFs, unmountFs } from './filesystem.ts'
import { withHeader } from './header-file.ts'
import { dropNext, promoteNext, readStore, storeFolder, withKey } from './record-store.ts'
import { readNodeToken } from './tokens.ts'
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

/**
 * Opens and mounts the data of an enrolled node, then compares the token with the record on it. Throws, with
 * everything closed, for a header or token not to be trusted, a wrong secret (`isWrongSecret`), or a file system
 * that cannot be used. The secret stays the caller's to wipe.
 */
export async function openNode(
  world: World,
  volume: NodeVolume,
  { secret, keyslot }: Pick<Opening, 'secret' | 'keyslot'>,
): Promise<SignedRecord> {
  const token = await withHeader(volume.device, volume.headerFile, async ({ header, file }) => {
    const found = readNodeToken(header)
    await openVolume(world.run, { ...volume, headerFile: file, secret, keyslot })
    return found
  })
  try {
    const device = world.mapperPath(volume.name)
    await checkFs(world.run, device)
    world.mount(device, volume.mountPoint)
    await settle(token, storeFolder(volume.mountPoint))
    await growFs(world.run, device)
    return token
  } catch (error) {
    await abandon(world, volume)
    throw error
  }
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

/** Checks the token against the store and ends a replacement of the record that was cut off. */
async function settle(token: SignedRecord, folder: string): Promise<void> {
  const store = await readStore(folder)
  const standing = await withKey(folder, key => Promise.resolve(checkToken(token, store, key)))
  if (standing === 'next') await promoteNext(folder)
  else if (store.next !== undefined) await dropNext(folder)
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
