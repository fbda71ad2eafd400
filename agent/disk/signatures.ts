/** A mark by which others recognise their data: `bytes` at `offset`, from the start or (negative) from the end. */
export type Signature = { readonly found: string; readonly offset: number; readonly bytes: Buffer }

const ascii = (text: string) => Buffer.from(text, 'latin1')
const hex = (digits: string) => Buffer.from(digits, 'hex')

/**
 * Public on-disk formats: superblock magics of file systems, volume managers and tables. What is longer or
 * rarer comes before what is shorter: 'MBR' is also in the boot sectors of FAT and NTFS.
 */
export const signatures: readonly Signature[] = [
  { found: 'LUKS1', offset: 0, bytes: hex('4c554b53babe0001') },
  { found: 'LUKS2', offset: 0, bytes: hex('4c554b53babe0002') },
  ...[0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000].map(offset => ({
    found: 'LUKS2 (second header)',
    offset,
    bytes: hex('534b554cbabe'),
  })),
  { found: 'xfs', offset: 0, bytes: ascii('XFSB') },
  { found: 'squashfs', offset: 0, bytes: ascii('hsqs') },
  { found: 'dm-verity', offset: 0, bytes: ascii('verity\0\0') },
  { found: 'BitLocker', offset: 3, bytes: ascii('-FVE-FS-') },
  { found: 'NTFS', offset: 3, bytes: ascii('NTFS    ') },
  { found: 'exFAT', offset: 3, bytes: ascii('EXFAT   ') },
  { found: 'FAT', offset: 54, bytes: ascii('FAT1') },
  { found: 'FAT', offset: 82, bytes: ascii('FAT32   ') },
  ...[0, 512, 1024, 1536].map(offset => ({ found: 'LVM', offset, bytes: ascii('LABELONE') })),
  { found: 'GPT', offset: 512, bytes: ascii('EFI PART') },
  { found: 'GPT', offset: -512, bytes: ascii('EFI PART') },
  { found: 'ext2, ext3 or ext4', offset: 1080, bytes: hex('53ef') },
  { found: 'f2fs', offset: 1024, bytes: hex('1020f5f2') },
  { found: 'md raid', offset: 0, bytes: hex('fc4e2ba9') },
  { found: 'md raid', offset: 4096, bytes: hex('fc4e2ba9') },
  { found: 'bcache', offset: 4120, bytes: hex('c68573f64e1a45ca8265f57f48ba6d81') },
  ...[4096, 8192, 16384, 65536].flatMap(page => [
    { found: 'swap', offset: page - 10, bytes: ascii('SWAPSPACE2') },
    { found: 'swap', offset: page - 10, bytes: ascii('SWAP-SPACE') },
  ]),
  { found: 'ISO 9660', offset: 32769, bytes: ascii('CD001') },
  { found: 'btrfs', offset: 65600, bytes: ascii('_BHRfS_M') },
  { found: 'reiserfs', offset: 65588, bytes: ascii('ReIsEr') },
  // The first uberblock of the first label; its ring begins at 128 KiB.
  { found: 'zfs', offset: 131072, bytes: hex('0cb1ba0000000000') },
  // The MBR comes last: its two bytes are in many boot sectors.
  { found: 'MBR', offset: 510, bytes: hex('55aa') },
]

/**
 * Places that depend on the partition's size, counted from its start: superblocks of md raid 0.90 (in the last
 * whole 64 KiB but one) and 1.0 (at least 8 KiB before the end, on 4 KiB).
 */
export function mdRaidOffsets(bytes: number): readonly number[] {
  return [Math.floor(bytes / 65536) * 65536 - 65536, Math.floor((bytes - 8192) / 4096) * 4096]
}
