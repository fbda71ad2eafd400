import { open } from 'node:fs/promises'
import { fileBytes, readExactly } from '../disk/disk.ts'
import { mount, mountFlags, unmount } from '../system/libc.ts'
import { ProgramError, type Run } from '../system/run.ts'

const slowMs = 10 * 60_000

/** Makes an ext4 with quota by user (a project quota could be left by a file's owner); tables are made later. */
export async function makeFs(run: Run, device: string): Promise<void> {
  const extended = 'quotatype=usrquota,lazy_itable_init=1,lazy_journal_init=1,nodiscard'
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-m', '1', '-O', 'quota', '-E', extended, device], {
    timeoutMs: slowMs,
  })
}

/**
 * e2fsck -p, where the file system was not unmounted in order or has errors: replays the journal, repairs what is
 * safe to. Throws ProgramError where that does not suffice.
 */
export async function checkFs(run: Run, device: string): Promise<void> {
  if (await isClean(device)) return
  try {
    await run('e2fsck', ['-p', device], { timeoutMs: slowMs })
  } catch (error) {
    // Status 1: errors were found and corrected.
    if (!(error instanceof ProgramError) || error.status !== 1) throw error
  }
}

/** A superblock that cannot be read is no clean one: e2fsck finds the others. */
async function isClean(device: string): Promise<boolean> {
  return readSuperblock(device).then(
    ({ clean }) => clean,
    () => false,
  )
}

/** Lets the mounted file system fill its device, where the device has become larger. */
export async function growFs(run: Run, device: string): Promise<void> {
  if (await hasRoom(device)) await run('resize2fs', [device], { timeoutMs: slowMs })
}

/** Is the device larger than its ext4 by a block group or more? Throws SyntaxError where there is no ext4. */
export async function hasRoom(device: string): Promise<boolean> {
  const { bytes, groupBytes, deviceBytes } = await readSuperblock(device)
  return deviceBytes >= bytes + groupBytes
}

async function readSuperblock(device: string): Promise<Superblock & { readonly deviceBytes: number }> {
  const file = await open(device, 'r')
  try {
    const found = parseSuperblock(await readExactly(file, 1024, 1024))
    return { ...found, deviceBytes: await fileBytes(file) }
  } finally {
    await file.close()
  }
}

type Superblock = { readonly bytes: number; readonly groupBytes: number; readonly clean: boolean }

const stateValid = 1
const stateErrors = 2
const incompatRecover = 4

/** Field offsets: the ext4 superblock as the kernel documents it (Documentation/filesystems/ext4). */
function parseSuperblock(block: Buffer): Superblock {
  if (block.readUInt16LE(0x38) !== 0xef53) throw new SyntaxError('Cannot read ext4 superblock: no magic')
  const blockBytes = 1024 * 2 ** block.readUInt32LE(0x18)
  const blocks = block.readUInt32LE(0x4) + block.readUInt32LE(0x150) * 2 ** 32
  const state = block.readUInt16LE(0x3a)
  const recover = (block.readUInt32LE(0x60) & incompatRecover) !== 0
  return {
    bytes: blocks * blockBytes,
    groupBytes: block.readUInt32LE(0x20) * blockBytes,
    clean: (state & (stateValid | stateErrors)) === stateValid && !recover,
  }
}

/** Mounts the data's ext4: no device files, no SUID, user quota enforced. */
export function mountFs(device: string, target: string): void {
  const flags = mountFlags.nosuid | mountFlags.nodev | mountFlags.noatime
  mount({ source: device, target, type: 'ext4', flags, options: 'usrquota' })
}

export function unmountFs(target: string): void {
  unmount(target)
}
