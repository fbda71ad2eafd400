import { closeSync, fsyncSync, openSync, renameSync } from 'node:fs'
import { mkdir, open, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { mount, mountFlags, syncAll, unmount } from '../system/libc.ts'
import { log } from '../system/log.ts'

const mountPoint = '/run/esp'

/** Mounts the EFI system partition for the time of `use`. */
export async function withEsp<T>(
  device: string,
  access: 'read' | 'write',
  use: (folder: string) => Promise<T>,
): Promise<T> {
  await mkdir(mountPoint, { recursive: true })
  const { nosuid, nodev, noexec, readonly } = mountFlags
  const flags = nosuid | nodev | noexec | (access === 'read' ? readonly : 0n)
  mount({ source: device, target: mountPoint, type: 'vfat', flags, options: 'umask=0077' })
  try {
    return await use(mountPoint)
  } finally {
    syncAll()
    unmount(mountPoint)
  }
}

/** More than a good operator file has (protocol/operator-file.ts); what is longer is refused there. */
const operatorBytesMax = 64 * 1024

/** The text of EFI/orama/node.json, or undefined where there is none. Of a longer file its first 64 KiB. */
export async function readOperatorText(folder: string): Promise<string | undefined> {
  try {
    await using file = await open(join(folder, 'EFI/orama/node.json'), 'r')
    const { buffer, bytesRead } = await file.read(Buffer.alloc(operatorBytesMax), 0, operatorBytesMax, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}

/**
 * Boot entries that are counted: os-a+2-1.efi has two tries left and one behind it. systemd-boot goes on counting
 * an entry that is alone, so ten boots that were cut off make it os-a+0-10.efi.
 */
const counted = /^(os-[ab])\+\d-\d{1,9}\.efi$/

/**
 * Gives the entry that was booted its three tries back: os-a+2-1.efi → os-a+3-0.efi. A power cut leaves it under one
 * name or the other, or under both, see `renameOnFat`. `bootedPath` has the name that systemd-boot gave it for this
 * try; where that rename did not reach the disk, it still has its old one. Entries of the other slot, and those that
 * were given up (without .efi), stay as they are; so does everything where the new name is taken, since that can be
 * the same file: to rename over it would free its clusters.
 */
export async function rearm(folder: string, bootedPath: string): Promise<void> {
  const booted = basename(bootedPath)
  const slot = counted.exec(booted)?.[1]
  if (slot === undefined) return
  const entries = join(folder, 'EFI/Linux')
  const names = (await readdir(entries)).filter(name => counted.exec(name)?.[1] === slot)
  const current = names.includes(booted) ? booted : names[0]
  const fresh = `${slot}+3-0.efi`
  if (current === undefined || names.includes(fresh)) return
  renameOnFat(entries, current, fresh)
  log(`boot entry: ${current} → ${fresh}`)
}

/**
 * Renames a file within a folder of a FAT. Linux makes the new directory entry with a size of zero and fills it in when
 * it writes the file's inode: synced by its folder first, the disk would hold an empty file until then. Synced by the
 * file first, it holds the whole file under the new name, and under both names where the old one lies in another
 * sector, until the folder is synced.
 */
function renameOnFat(folder: string, from: string, to: string): void {
  const handles = [join(folder, from), folder].map(path => openSync(path, 'r'))
  try {
    renameSync(join(folder, from), join(folder, to))
    for (const handle of handles) fsyncSync(handle)
  } finally {
    for (const handle of handles) closeSync(handle)
  }
}
