import { createDecipheriv } from 'node:crypto'
import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readExactly } from '../../../agent/disk/disk.ts'
import { dataOffset } from '../../../agent/disk/luks2.ts'
import { run } from '../../../agent/system/run.ts'
import { withHeader } from '../../../agent/unlock/header-file.ts'
import { readEscrowToken } from '../../../agent/unlock/tokens.ts'
import { type Disk, makeRawCopy } from '../../../qemu/disk.ts'
import type { Site } from './node.ts'
import { partitionFile } from './partition-file.ts'
import { escrowOpener } from './wallet-file.ts'

// The ext4 superblock begins at byte 1024 and has s_magic at 0x38, s_feature_incompat at 0x60.
const superblockAt = 1024
const magic = 0xef53
const needsRecovery = 0x4

/**
 * How the encrypted file system on the disk of a machine that is off was left: `clean` once it was unmounted in
 * order, else `in use`. Read with the secret of its owner, on a host that has no device-mapper.
 */
export async function fileSystemState(site: Site, disk: Disk): Promise<'clean' | 'in use'> {
  const raw = await makeRawCopy(disk, join(site.folder, 'state.img'))
  const { file } = await partitionFile(raw, join(site.folder, 'state.data'))
  await rm(raw.file)
  const superblock = await decryptAt(file, superblockAt, await openHeader(site, file))
  await rm(file)
  if (superblock.readUInt16LE(0x38) !== magic) throw new Error(`Cannot find ext4 on '${disk.file}'`)
  return (superblock.readUInt32LE(0x60) & needsRecovery) === 0 ? 'clean' : 'in use'
}

/**
 * Whether somebody with this copy of a header, and the owner's wallet, reads the file system on the disk of a machine
 * that is off.
 */
export async function isReadWith(site: Site, disk: Disk, header: Buffer): Promise<boolean> {
  const { file } = await partitionFile(disk, join(site.folder, 'copied.data'))
  const handle = await open(file, 'r+')
  await handle.write(header, 0, header.length, 0).finally(() => handle.close())
  const superblock = await decryptAt(file, superblockAt, await openHeader(site, file))
  await rm(file)
  return superblock.readUInt16LE(0x38) === magic
}

type Opened = { readonly sectorBytes: number; readonly key: Buffer }

async function openHeader(site: Site, device: string): Promise<Opened> {
  const file = join(site.folder, 'state.header')
  const { header, secret } = await withHeader(device, file, async found => {
    const escrow = readEscrowToken(found.header)
    if (escrow === undefined) throw new Error(`Cannot open '${device}': there is no escrow`)
    return { header: found.header, secret: (await escrowOpener(site))(escrow) }
  })
  const keyFile = join(site.folder, 'volume.key')
  const dump = ['luksDump', '--batch-mode', '--dump-volume-key', '--volume-key-file', keyFile]
  await run('cryptsetup', [...dump, '--key-file', '-', '--disable-external-tokens', device], {
    input: secret,
  })
  const key = await readFile(keyFile)
  await rm(keyFile)
  return { sectorBytes: header.metadata.segments['0'].sector_size, key }
}

/** What stands at a place of the data up to the end of its sector: aes-xts-plain64 counts in 512 bytes. */
async function decryptAt(file: string, at: number, { sectorBytes, key }: Opened): Promise<Buffer> {
  await using handle = await open(file, 'r')
  const start = at - (at % sectorBytes)
  const sector = await readExactly(handle, dataOffset + start, sectorBytes)
  const tweak = Buffer.alloc(16)
  tweak.writeUInt32LE(start / 512, 0)
  const decipher = createDecipheriv('aes-256-xts', key, tweak)
  return Buffer.concat([decipher.update(sector), decipher.final()]).subarray(at - start)
}
