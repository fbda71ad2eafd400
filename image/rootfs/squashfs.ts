import { createHash } from 'node:crypto'
import { stat, truncate } from 'node:fs/promises'
import { hashFile } from '../cache.ts'
import { tool } from '../step.ts'

/** A root file system image with its verity tree appended: what a slot holds. */
export type Slot = {
  readonly file: string
  readonly bytes: number
  /** Size of the SquashFS alone, a multiple of 4,096. */
  readonly dataBytes: number
  /** 64 hex characters. */
  readonly rootHash: string
  readonly salt: string
  /** PARTUUID of the slot: the first 128 bits of the root hash. */
  readonly partUuid: string
}

const blockBytes = 4096

/** Packs a tree into SquashFS (zstd, all files root's, all times the epoch) and appends its verity tree. */
export async function makeSlot(tree: string, file: string, epochS: number): Promise<Slot> {
  const time = String(epochS)
  const flags = [
    '-noappend',
    '-no-progress',
    '-all-root',
    '-no-xattrs',
    '-mkfs-time',
    time,
    '-all-time',
    time,
  ]
  const compression = ['-comp', 'zstd', '-Xcompression-level', '15', '-b', '256K']
  await tool('mksquashfs', [tree, file, ...flags, ...compression])
  const dataBytes = Math.ceil((await stat(file)).size / blockBytes) * blockBytes
  await truncate(file, dataBytes)
  // The salt only has to differ between images; taken from the content, it is the same in every build.
  const salt = createHash('sha256')
    .update(`orama-verity-salt:${await hashFile(file)}`)
    .digest('hex')
  const rootHash = await appendVerity(file, dataBytes, salt)
  return { file, bytes: (await stat(file)).size, dataBytes, rootHash, salt, partUuid: uuidOf(rootHash) }
}

async function appendVerity(file: string, dataBytes: number, salt: string): Promise<string> {
  const text = await tool('veritysetup', [
    'format',
    file,
    file,
    `--hash-offset=${dataBytes}`,
    `--data-blocks=${dataBytes / blockBytes}`,
    `--data-block-size=${blockBytes}`,
    `--hash-block-size=${blockBytes}`,
    `--salt=${salt}`,
    '--uuid=00000000-0000-0000-0000-000000000000',
  ])
  const rootHash = /^Root hash:\s*([0-9a-f]{64})$/m.exec(text)?.[1]
  if (rootHash === undefined)
    throw new Error(`Cannot read the root hash from veritysetup: '${text.slice(0, 200)}'`)
  return rootHash
}

/** The first 128 bits of a root hash, written as a UUID. */
export function uuidOf(rootHash: string): string {
  const h = rootHash
  return [h.slice(0, 8), h.slice(8, 12), h.slice(12, 16), h.slice(16, 20), h.slice(20, 32)].join('-')
}

/** The kernel's `dm-mod.create=` table for a slot: a dm-verity device `root`, dm-0, over one partition. */
export function verityTable(slot: Slot): string {
  const device = `PARTUUID=${slot.partUuid}`
  const blocks = slot.dataBytes / blockBytes
  // The hash area starts with veritysetup's superblock, hence the 1.
  const verity = [
    1,
    device,
    device,
    blockBytes,
    blockBytes,
    blocks,
    blocks + 1,
    'sha256',
    slot.rootHash,
    slot.salt,
  ]
  return `root,,,ro,0 ${slot.dataBytes / 512} verity ${verity.join(' ')} 1 panic_on_corruption`
}
