import { copyFile } from 'node:fs/promises'
import { constants } from 'node:fs'
import { join } from 'node:path'

export type Firmware = {
  readonly code: string
  /** The empty variables a machine starts with; under Secure Boot firmware this is setup mode. */
  readonly variables: string
  readonly secureBoot: boolean
}

const folder = '/usr/share/OVMF'

/** OVMF of Debian's package ovmf: with Secure Boot and System Management Mode, or the plain one. */
export function firmwareOf(secureBoot: boolean): Firmware {
  const code = secureBoot ? 'OVMF_CODE_4M.secboot.fd' : 'OVMF_CODE_4M.fd'
  return { code: join(folder, code), variables: join(folder, 'OVMF_VARS_4M.fd'), secureBoot }
}

/**
 * Puts empty variables where there are none yet. One file per machine layout: OVMF remembers boot entries by
 * PCI address, and with other devices they end in its shell.
 */
export async function makeVariables(firmware: Firmware, file: string): Promise<void> {
  await copyFile(firmware.variables, file, constants.COPYFILE_EXCL).catch((cause: unknown) => {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'))
      throw new Error(`Cannot make firmware variables '${file}': is the package ovmf installed?`, { cause })
  })
}

/** QEMU's arguments for the two flash chips. */
export function firmwareArguments(firmware: Firmware, variablesFile: string): string[] {
  const flash = (unit: number, file: string, readonly: boolean) =>
    `if=pflash,unit=${unit},format=raw,readonly=${readonly ? 'on' : 'off'},file=${file.replaceAll(',', ',,')}`
  const lock = firmware.secureBoot ? ['-global', 'driver=cfi.pflash01,property=secure,value=on'] : []
  return [...lock, '-drive', flash(0, firmware.code, true), '-drive', flash(1, variablesFile, false)]
}
