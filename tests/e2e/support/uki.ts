import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { tool } from '../../../image/step.ts'
import type { Disk } from '../../../qemu/disk.ts'
import { signEfi } from '../../../signing/secure-boot.ts'
import { espFiles } from './esp-files.ts'

const entries = 'EFI/Linux'

/** Copies the UKI of slot A from a raw disk into a folder; returns its path. */
export async function fetchUki(disk: Disk, folder: string): Promise<string> {
  const esp = await espFiles(disk)
  const [name] = (await esp.list(entries)).filter(isSlotA)
  if (name === undefined) throw new Error(`Cannot find a UKI of slot A on '${disk.file}'`)
  const file = join(folder, 'uki.efi')
  await esp.fetch(`${entries}/${name}`, file)
  return file
}

/** Puts a UKI in the place of slot A's, with three tries. */
export async function replaceUki(disk: Disk, uki: string): Promise<void> {
  const esp = await espFiles(disk)
  for (const name of (await esp.list(entries)).filter(isSlotA)) await esp.remove(`${entries}/${name}`)
  await esp.put(uki, `${entries}/os-a+3-0.efi`)
}

function isSlotA(name: string): boolean {
  return /^os-a\+.*\.efi$/.test(name)
}

/** The same program without its signature. Returns the path of the new file. */
export async function withoutSignature(uki: string): Promise<string> {
  const file = `${uki}.unsigned`
  await copyFile(uki, file)
  await tool('sbattach', ['--remove', file])
  return file
}

/** The same program, signed by the `db.key` in a folder of keys instead. Returns the path of the new file. */
export async function signedBy(keys: string, uki: string): Promise<string> {
  const file = `${uki}.by-${basename(keys)}`
  await signEfi(keys, await withoutSignature(uki), file)
  return file
}

/** The same program with a word of its command line changed, signature and all else as before. */
export async function withCommandLine(uki: string, from: string, to: string): Promise<string> {
  const bytes = await readFile(uki)
  const at = bytes.indexOf(from)
  if (at < 0 || from.length !== to.length) throw new RangeError(`Cannot change '${from}' to '${to}' in a UKI`)
  bytes.write(to, at)
  const file = `${uki}.edited`
  await writeFile(file, bytes)
  return file
}

/** A folder with a fresh key and certificate of somebody else, named as ours. */
export async function strangersKeys(folder: string): Promise<string> {
  const keys = join(folder, 'stranger')
  await mkdir(keys)
  await tool('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-days', '3650'],
    ...['-subj', '/CN=stranger', '-keyout', join(keys, 'db.key'), '-out', join(keys, 'db.crt')],
  ])
  return keys
}
