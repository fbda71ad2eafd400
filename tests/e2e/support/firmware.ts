import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, exists, hashFile, hashFolder, hashOf } from '../../../image/cache.ts'
import { makeOverlay } from '../../../qemu/disk.ts'
import { firmwareOf } from '../../../qemu/firmware.ts'
import { startMachine } from '../../../qemu/machine.ts'
import type { Port } from '../../../qemu/network.ts'
import type { Tpm } from '../../../qemu/tpm.ts'
import { developmentKeys } from '../../../signing/secure-boot.ts'

const bootMs = 180_000

export type Prepare = {
  readonly folder: string
  readonly port: Port
  readonly tpm: Tpm
  /** A qcow2 whose ESP carries the enrollment files. */
  readonly image: string
  /** What the machine's own copy is called. */
  readonly own: string
}

/** By its cache key, in this process: of machines that boot side by side the first enrolls for all. */
const enrolling = new Map<string, Promise<string>>()

/**
 * Firmware variables in which our keys are enrolled and Secure Boot is on, so that not every test spends a boot
 * on that. Made by really booting an image on firmware in setup mode, once for firmware and keys.
 */
export async function enrolledVariables(prepare: Prepare): Promise<string> {
  const own = join(prepare.folder, `${prepare.own}.vars.fd`)
  if (await exists(own)) return own
  const firmware = firmwareOf(true)
  const files = [firmware.code, firmware.variables]
  const key = hashOf({
    firmware: (await Promise.all(files.map(hashFile))).join(' '),
    keys: await hashFolder(await developmentKeys()),
    layout: '1',
  })
  let kept = enrolling.get(key)
  if (kept === undefined) {
    kept = cached({ kind: 'variables', key, make: folder => enrollKeys(prepare, folder) })
    enrolling.set(key, kept)
  }
  await copyFile(join(await kept, 'vars.fd'), own)
  return own
}

async function enrollKeys({ folder, port, tpm, image }: Prepare, into: string): Promise<void> {
  const varsFile = join(into, 'vars.fd')
  const disk = await makeOverlay({ file: image, format: 'qcow2' }, join(folder, 'first-boot.qcow2'))
  await using machine = await startMachine({ folder, name: 'first-boot', disk, port, tpm, varsFile })
  await machine.console.waitFor('Custom Secure Boot keys successfully enrolled', bootMs)
  await machine.console.waitFor('EFI stub: UEFI Secure Boot is enabled', bootMs)
  await machine.stop()
}
