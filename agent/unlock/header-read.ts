import { open } from 'node:fs/promises'
import { fileBytes } from '../disk/disk.ts'
import { dataOffset, readLuksCopies } from '../disk/luks2.ts'
import { checkLuksHeader, type LuksHeader } from './luks-header.ts'

/** A header that was read and checked, with the bytes of data that follow it. */
export type FoundHeader = LuksHeader & { readonly dataBytes: number }

/** Reads and checks the header of a device. Throws SyntaxError with the reason for one that is not to be used. */
export async function readLuksHeader(device: string): Promise<FoundHeader> {
  const file = await open(device, 'r')
  try {
    const header = checkLuksHeader(await readLuksCopies(file))
    return { ...header, dataBytes: (await fileBytes(file)) - dataOffset }
  } finally {
    await file.close()
  }
}
