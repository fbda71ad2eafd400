import { withHeader } from './header-file.ts'
import type { NodeVolume, World } from './open.ts'
import { storeFolder, volumeKeyPath } from './record-store.ts'
import { addKeyslot, killKeyslot, tryOpen } from './volume.ts'

/** The keyslots of the data partition's LUKS2 header. */
export type Keyslots = {
  /** Adds one that this secret opens, and has it opened once. Returns its number. */
  readonly add: (secret: Buffer) => Promise<number>
  /** Rejects, with nothing destroyed, while the volume is re-encrypted. */
  readonly kill: (keyslot: number) => Promise<void>
  readonly list: () => Promise<readonly number[]>
}

/** As many as the header's schema allows, see luks-header.ts. */
const keyslotsMax = 8

/** The keyslots of an open volume. */
export function keyslotsOf({ run }: World, volume: NodeVolume): Keyslots {
  const { device } = volume
  // Not that of an unlock, which may be under way beside this.
  const headerFile = `${volume.headerFile}-keyslots`
  const list = () =>
    withHeader(device, headerFile, ({ header }) =>
      Promise.resolve(Object.keys(header.metadata.keyslots).map(Number)),
    )
  return {
    list,
    add: async secret => {
      const keyslot = lowestFree(await list())
      const volumeKeyFile = volumeKeyPath(storeFolder(volume.mountPoint))
      await addKeyslot(run, { device, keyslot, secret, volumeKeyFile })
      await withHeader(device, headerFile, ({ file }) =>
        tryOpen(run, { device, headerFile: file, secret, keyslot }),
      )
      return keyslot
    },
    kill: keyslot => killKeyslot(run, device, keyslot),
  }
}

function lowestFree(taken: readonly number[]): number {
  for (let keyslot = 0; keyslot < keyslotsMax; keyslot++) if (!taken.includes(keyslot)) return keyslot
  throw new RangeError(`Cannot add keyslot: all ${keyslotsMax} are taken`)
}
