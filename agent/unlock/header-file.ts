import { open, rm, type FileHandle } from 'node:fs/promises'
import { readExactly } from '../disk/disk.ts'
import { binaryBytes, dataOffset, readLuksCopies, serialiseLuksCopy } from '../disk/luks2.ts'
import { settledMetadata } from './header-write.ts'
import { checkLuksHeader, type LuksHeader } from './luks-header.ts'

export type HeaderFile = { readonly header: LuksHeader; readonly file: string }

/**
 * Reads and checks the header of `device` and writes what was checked to `file` (on a tmpfs), for
 * `cryptsetup open --header`. The file is made anew from the parsed values, both copies alike and without
 * tokens: neither a change of the disk after the check nor another reading of the same bytes (which copy
 * counts, keys given twice) reaches cryptsetup. What a re-encryption needs for its recovery is not in it: see
 * `recoverVolume`. Throws SyntaxError with the reason for a header not to be used.
 */
export async function readHeader(device: string, file: string): Promise<HeaderFile> {
  const source = await open(device, 'r')
  try {
    const header = checkLuksHeader(await readLuksCopies(source))
    await writeHeaderFile({ source, header, file })
    return { header, file }
  } finally {
    await source.close()
  }
}

/** Lends the checked header and its file to a block, and removes the file at its end. Throws as readHeader does. */
export async function withHeader<T>(
  device: string,
  file: string,
  use: (found: HeaderFile) => Promise<T>,
): Promise<T> {
  try {
    return await use(await readHeader(device, file))
  } finally {
    await rm(file, { force: true })
  }
}

type Copying = { readonly source: FileHandle; readonly header: LuksHeader; readonly file: string }

async function writeHeaderFile({ source, header, file }: Copying): Promise<void> {
  const target = await open(file, 'w', 0o600)
  try {
    // Where nothing is written the file stays a hole, so that it takes about 0.3 MiB of memory, not 24.
    await target.truncate(dataOffset)
    const copies = copiesOf(header)
    await target.write(copies, 0, copies.length, 0)
    for (const { type, area } of Object.values(settledMetadata(header).keyslots)) {
      if (type !== 'luks2') continue
      const offset = Number(area.offset)
      const bytes = await readExactly(source, offset, Number(area.size))
      await target.write(bytes, 0, bytes.length, offset)
    }
  } finally {
    await target.close()
  }
}

/** Large enough for the metadata of as many keyslots as there may be, and hashed in no time. */
const copyBytes = 32 * 1024

/** Both copies, small ones: what would be free between them and the first keyslot counts as keyslots. */
function copiesOf(header: LuksHeader): Buffer {
  const { copy } = header
  const metadata = settledMetadata(header)
  const config = {
    ...metadata.config,
    json_size: String(copyBytes - binaryBytes),
    keyslots_size: String(dataOffset - 2 * copyBytes),
  }
  const json = JSON.stringify({ ...metadata, tokens: {}, config })
  const names = ['primary', 'secondary'] as const
  return Buffer.concat(names.map(name => serialiseLuksCopy({ ...copy, name, json }, copyBytes)))
}
