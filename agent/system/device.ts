import { statSync } from 'node:fs'

/** A block device as the kernel numbers it. */
export type DeviceNumber = { readonly major: number; readonly minor: number }

/** The number of the block device at a path, links followed. Throws TypeError where it is none. */
export function deviceNumber(path: string): DeviceNumber {
  const stats = statSync(path)
  if (!stats.isBlockDevice()) throw new TypeError(`Cannot use '${path}': it is not a block device`)
  return decodeDevice(BigInt(stats.rdev))
}

/** `st_rdev` as glibc's makedev(3) packs it: minor bits 0-7 and 20-43, major bits 8-19 and 44-63. */
export function decodeDevice(packed: bigint): DeviceNumber {
  return {
    major: Number(((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xfffff000n)),
    minor: Number((packed & 0xffn) | ((packed >> 12n) & 0xffffff00n)),
  }
}
