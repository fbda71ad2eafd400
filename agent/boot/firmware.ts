import { readFile, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { log } from '../system/log.ts'

const variablesFolder = '/sys/firmware/efi/efivars'
const globalVendor = '8be4df61-93ca-11d2-aa0d-00e098032b8c'
/** The Boot Loader Interface (systemd.io/BOOT_LOADER_INTERFACE). */
const loaderVendor = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'

/** Whether the firmware checks signatures; false where there are no EFI variables. */
export async function secureBoot(folder = variablesFolder): Promise<boolean> {
  const value = await variable(join(folder, `SecureBoot-${globalVendor}`))
  return value?.[0] === 1
}

/** The ESP path of the entry that was booted, with the counters that it had then; undefined without counting. */
export async function bootCountPath(folder = variablesFolder): Promise<string | undefined> {
  const value = await variable(join(folder, `LoaderBootCountPath-${loaderVendor}`))
  return value?.toString('utf16le').replace(/\0+$/, '').replaceAll('\\', '/')
}

/** An EFI variable without its four attribute bytes. */
async function variable(path: string): Promise<Buffer | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  return bytes?.subarray(4)
}

const panicCharactersMax = 2000

/** The end of the last panic's kernel log from efi-pstore, which is cleared; undefined if there is none. */
export async function takeLastPanic(folder = '/sys/fs/pstore'): Promise<string | undefined> {
  const names = (await readdir(folder).catch(() => [])).sort()
  if (names.length === 0) return undefined
  const parts: string[] = []
  for (const name of names) {
    parts.push(await readFile(join(folder, name), 'utf8').catch(String))
    await unlink(join(folder, name)).catch((cause: unknown) => {
      log(`last panic: cannot clear ${name}: ${String(cause)}`)
    })
  }
  const lines = parts.reverse().join('\n').split('\n')
  const at = lines.findIndex(line => line.includes('Kernel panic'))
  return lines.slice(Math.max(0, at)).join('\n').slice(0, panicCharactersMax)
}
