import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeRecord } from '../../protocol/record.ts'
import type { Status } from '../../protocol/status.ts'
import { log } from '../system/log.ts'

declare const ORAMA_TEST_BUILD: boolean

/**
 * How the private keys of an enrollment record are kept. They stand in its LUKS2 token as they are: whoever copies
 * the disk has them. Sealing them to the machine's TPM goes here, between record and token, when it comes.
 */
export function identityProtection(record: NodeRecord | undefined): Status['identity'] {
  return record === undefined ? 'none' : 'unsealed'
}

/** Whether the machine has a TPM that the kernel can use. Firmware and loader measure into it. */
export function hasTpm(sysfs = '/sys/class/tpm'): boolean {
  return existsSync(`${sysfs}/tpm0`)
}

// Boot loader and kernel image, the firmware's Secure Boot policy, and systemd-stub's measurement of the image.
const bootRegisters = [4, 7, 11]

/** In test images: logs what firmware and loader have measured, which is what sealing will rest on. */
export function logMeasurements(sysfs = '/sys/class/tpm'): void {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return
  for (const register of bootRegisters) {
    const file = join(sysfs, 'tpm0/pcr-sha256', String(register))
    log(`PCR ${register}: ${existsSync(file) ? readFileSync(file, 'utf8').trim() : 'none'}`)
  }
}
