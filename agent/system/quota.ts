import { quotactl } from './libc.ts'

/** What a user may have on one file system. */
export type UserQuota = { readonly mebibytes: number; readonly files: number }

/** linux/quota.h: Q_SETQUOTA, USRQUOTA, QCMD(command, type), QIF_LIMITS. */
const setQuota = 0x80_0008
const userQuota = 0
const limitsValid = 1 | 4
const blocksPerMebibyte = 1024

/** Limits what a user may write from now on. Throws SystemCallError; ESRCH where the mount has no user quota. */
export function setUserQuota(device: string, uid: number, quota: UserQuota): void {
  const command = ((setQuota << 8) | userQuota) >>> 0
  quotactl(command, { device, id: uid }, encodeLimits(quota))
}

/**
 * struct if_dqblk of linux/quota.h, eight u64 and a u32, padded to 72 bytes: hard and soft limit of blocks of
 * 1 KiB, bytes in use, hard and soft limit of inodes, inodes in use, two times of grace, and which fields count.
 * No soft limits: a grace that runs out would be one more way to fail.
 */
export function encodeLimits({ mebibytes, files }: UserQuota): Buffer {
  for (const value of [mebibytes, files])
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`Cannot set a quota of ${value}`)
  const block = Buffer.alloc(72)
  block.writeBigUInt64LE(BigInt(mebibytes * blocksPerMebibyte), 0)
  block.writeBigUInt64LE(BigInt(files), 24)
  block.writeUInt32LE(limitsValid, 64)
  return block
}
