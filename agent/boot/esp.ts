import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
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

/** The text of EFI/orama/node.json, or undefined where there is none. */
export async function readOperatorText(folder: string): Promise<string | undefined> {
  const path = join(folder, 'EFI/orama/node.json')
  return readFile(path, 'utf8').catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  })
}

/**
 * Gives the entry that was booted its three tries back: os-a+2-1.efi → os-a+3-0.efi. `bootedPath` has the name
 * that systemd-boot started, which is the one with the counters after this boot's try.
 */
export async function rearm(folder: string, bootedPath: string): Promise<void> {
  const counted = /^(os-[ab])\+\d-\d\.efi$/.exec(basename(bootedPath))
  if (counted?.[1] === undefined) return
  const entries = join(folder, dirname(bootedPath))
  const names = await readdir(entries)
  const current = names.find(name => name.startsWith(`${counted[1] ?? ''}+`))
  const fresh = `${counted[1]}+3-0.efi`
  if (current === undefined || current === fresh) return
  await rename(join(entries, current), join(entries, fresh))
  await using handle = await open(entries, 'r')
  await handle.sync()
  log(`boot entry: ${current} → ${fresh}`)
}
