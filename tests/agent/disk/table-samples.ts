import type { Disk, Extent } from '../../../agent/disk/disk.ts'
import { makeGpt, partitionTypes, sectorBytes, type Layout } from '../../../agent/disk/gpt.ts'

const mib = 2048

/** The disk of the design, small: sizes in MiB, the data partition reaches to the end of the image. */
export function sampleLayout(sectors: number): Layout {
  const rows: readonly (readonly [string, number, number])[] = [
    ['esp', 1, 2],
    ['rootfs-A', 2, 3],
    ['rootfs-B', 3, 4],
    ['data', 4, 5],
  ]
  return {
    sectors,
    diskGuid: '11111111-2222-4333-8444-555555555555',
    partitions: rows.map(([label, from, to], index) => ({
      label,
      type: label === 'esp' ? partitionTypes.esp : partitionTypes.linux,
      guid: `AAAAAAAA-0000-4000-8000-00000000000${index}`,
      firstLba: from * mib,
      lastLba: to * mib - 1,
      attributes: 0n,
    })),
  }
}

export const imageSectors = 6 * mib
export const diskSectors = 8 * mib

/** A disk image in memory with the backup table at the end of `tableSectors`. */
export function sampleImage(sectors: number, tableSectors = imageSectors): Buffer {
  const { primary, backup, backupLba } = makeGpt(sampleLayout(tableSectors))
  const image = Buffer.alloc(sectors * sectorBytes)
  primary.copy(image, 0)
  backup.copy(image, backupLba * sectorBytes)
  return image
}

export type Write = { readonly lba: number; readonly sector: Buffer }

/** A disk in memory that keeps each sector written, in order, grouped by what lies between two syncs. */
export function recordingDisk(image: Buffer) {
  const epochs: Write[][] = [[]]
  const resized: Extent[] = []
  const disk: Disk = {
    sectors: image.length / sectorBytes,
    read: (lba, count) =>
      Promise.resolve(Buffer.from(image.subarray(lba * sectorBytes, (lba + count) * sectorBytes))),
    write(lba, bytes) {
      for (let at = 0; at < bytes.length; at += sectorBytes) {
        const sector = Buffer.from(bytes.subarray(at, at + sectorBytes))
        epochs.at(-1)?.push({ lba: lba + at / sectorBytes, sector })
      }
      Buffer.from(bytes).copy(image, lba * sectorBytes)
      return Promise.resolve()
    },
    sync() {
      epochs.push([])
      return Promise.resolve()
    },
    resize: extent => resized.push(extent),
  }
  return { disk, epochs, resized }
}

/** The image after some writes. */
export function applied(image: Buffer, writes: readonly Write[]): Buffer {
  const copy = Buffer.from(image)
  for (const { lba, sector } of writes) sector.copy(copy, lba * sectorBytes)
  return copy
}
