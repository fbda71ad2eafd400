import { randomFillSync } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { copyBytes, copyOffsets, readLuksCopies, serialiseLuksCopy } from '../disk/luks2.ts'
import { checkLuksHeader, type LuksHeader, type LuksMetadata } from './luks-header.ts'
import { tokenIds } from './luks-schema.ts'
import type { LuksToken } from './volume.ts'

// What cryptsetup does not write: it leaves a header alone that is in re-encryption, but for re-encrypting.

/**
 * Writes a token into the header of a volume, in place of the one of its type. Nobody else may be writing the header.
 * Throws SyntaxError for a header that is not ours.
 */
export async function putToken(device: string, token: LuksToken): Promise<void> {
  await rewrite(device, ({ metadata }) => ({
    ...metadata,
    tokens: { ...metadata.tokens, [tokenIds[token.type]]: token },
  }))
}

/**
 * Ends a re-encryption of whose data all has the new key: what is left of the old key is overwritten, then the header
 * says no more of it. cryptsetup does the same, but where it is cut off behind the first step, none of its commands
 * opens, repairs or goes on with such a header. Throws RangeError where there is no such end.
 */
export async function endReencryption(device: string): Promise<void> {
  await rewrite(device, async (header, file) => {
    const { reencryption, metadata } = header
    if (reencryption?.kind !== 'ended') throw new RangeError('Cannot end re-encryption: it has not got there')
    for (const slot of reencryption.oldKeyslots) await overwrite(file, metadata.keyslots[slot]?.area)
    return settledMetadata(header)
  })
}

/**
 * The metadata of a header as it opens the volume: where a re-encryption has all but ended, as if it had, and where it
 * has hardly begun, as if it had not.
 */
export function settledMetadata({ metadata, reencryption }: LuksHeader): LuksMetadata {
  if (reencryption === undefined || reencryption.kind === 'clean' || reencryption.kind === 'hot')
    return metadata
  const { kind, newKeyslot, oldKeyslots } = reencryption
  const kept = kind === 'ended' ? [newKeyslot] : oldKeyslots
  const isKept = (names: readonly string[]) => names.some(name => kept.includes(name))
  const { json_size, keyslots_size } = metadata.config
  return {
    ...metadata,
    keyslots: onlyOf(metadata.keyslots, name => kept.includes(name)),
    segments: onlyOf(metadata.segments, name => name === '0'),
    digests: Object.fromEntries(
      Object.entries(metadata.digests)
        .filter(([, digest]) => isKept(digest.keyslots))
        .map(([name, digest]) => [name, { ...digest, segments: ['0'] }]),
    ),
    config: { json_size, keyslots_size },
  } as LuksMetadata
}

function onlyOf<T>(all: Readonly<Record<string, T>>, isKept: (name: string) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => isKept(name)))
}

type Edit = (header: LuksHeader, file: FileHandle) => LuksMetadata | Promise<LuksMetadata>

/** Writes both copies, the one that counts last: until it is written, it is whole. */
async function rewrite(device: string, edit: Edit): Promise<void> {
  const file = await open(device, 'r+')
  try {
    const header = checkLuksHeader(await readLuksCopies(file))
    const { copy } = header
    const json = JSON.stringify(await edit(header, file))
    const next = { ...copy, json, seqid: copy.seqid + 1n }
    const order =
      copy.name === 'primary' ? (['secondary', 'primary'] as const) : (['primary', 'secondary'] as const)
    for (const name of order) {
      const bytes = serialiseLuksCopy({ ...next, name }, copyBytes)
      await put(file, copyOffsets[name], bytes)
      await file.sync()
    }
  } finally {
    await file.close()
  }
}

async function overwrite(
  file: FileHandle,
  area: { readonly offset: string; readonly size: string } | undefined,
): Promise<void> {
  if (area === undefined) return
  await put(file, Number(area.offset), randomFillSync(Buffer.alloc(Number(area.size))))
  await file.sync()
}

async function put(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  const { bytesWritten } = await file.write(bytes, 0, bytes.length, offset)
  if (bytesWritten !== bytes.length) throw new Error(`Cannot write ${bytes.length} bytes at ${offset}: short`)
}
