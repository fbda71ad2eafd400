import { existsSync } from 'node:fs'
import type { NodeRecord } from '../../protocol/record.ts'
import type { Status } from '../../protocol/status.ts'

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
