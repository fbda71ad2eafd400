import { open, type FileHandle } from 'node:fs/promises'
import { fileBytes, readExactly } from './disk.ts'
import {
  binaryBytes,
  copyBytes,
  copyOffsets,
  goodCopies,
  isZero,
  labelOf,
  magics,
  newestCopy,
  readLuksCopies,
  type CopyName,
  type LuksCopies,
  type LuksCopy,
} from './luks2.ts'
import { mdRaidOffsets, signatures, type Signature } from './signatures.ts'

/** The label of a header whose format has not been committed, and of every header of ours. */
export const pendingLabel = 'orama-pending'

/** The type of the token whose write is the commit. */
export const nodeTokenType = 'orama-node'

export type DataState =
  /** Nothing is there: may be formatted by an enrollment. */
  | { readonly kind: 'blank' }
  /** A format that was begun and never committed: may be formatted again. */
  | { readonly kind: 'pending' }
  /** A committed node. What its header says has not been checked: see unlock/luks-header.ts. */
  | { readonly kind: 'enrolled' }
  /** Something else, by name: must never be formatted. */
  | { readonly kind: 'foreign'; readonly found: string }

const edgeBytes = 1024 * 1024

/**
 * What is on the data partition (a device or a file). Blank means: the first MiB holds zeros only, and no known
 * signature is there or at the end. Unknown bytes at the end are no obstacle: they are what an earlier
 * installation, or an enrollment that did not come to its commit, left there.
 */
export async function readDataState(path: string): Promise<DataState> {
  const file = await open(path, 'r')
  try {
    return await judge(file)
  } finally {
    await file.close()
  }
}

async function judge(file: FileHandle): Promise<DataState> {
  const copies = await readLuksCopies(file)
  const luks = judgeLuks(copies)
  if (luks !== undefined) return luks
  if (await isTornFormat(file)) return { kind: 'pending' }
  const found = await findForeign(file)
  return found === undefined ? { kind: 'blank' } : { kind: 'foreign', found }
}

function judgeLuks(copies: LuksCopies): DataState | undefined {
  const newest = newestCopy(copies)
  if (newest === undefined) return undefined
  if (goodCopies(copies).some(isCommitted)) return { kind: 'enrolled' }
  if (newest.label === pendingLabel) return { kind: 'pending' }
  return { kind: 'foreign', found: `LUKS2 with label '${printable(newest.label)}'` }
}

/** Text that cannot be read counts as committed: only what is surely not committed may be formatted. */
function isCommitted(copy: LuksCopy): boolean {
  if (copy.label !== pendingLabel) return false
  try {
    const { tokens } = JSON.parse(copy.json) as { tokens: Record<string, { type: unknown }> }
    return Object.values(tokens).some(token => token.type === nodeTokenType)
  } catch {
    return true
  }
}

/**
 * A format that was cut off while it wrote (or, the next time, wiped) the two copies, so that none is good: what
 * is left of each bears our label, or is zero, and nowhere is there a trace of the token that commits.
 */
async function isTornFormat(file: FileHandle): Promise<boolean> {
  const names = ['primary', 'secondary'] as const
  // Most often there is nothing: then 8 MiB need not be searched.
  if (!(await Promise.all(names.map(name => hasLabel(file, name)))).includes(true)) return false
  const remains = await Promise.all(names.map(name => remainsOf(file, name)))
  return remains.includes('pending') && !remains.includes('other')
}

async function hasLabel(file: FileHandle, name: CopyName): Promise<boolean> {
  if ((await fileBytes(file)) < copyOffsets[name] + binaryBytes) return false
  return isOurs(await readExactly(file, copyOffsets[name], binaryBytes), name)
}

/** Whether it begins as a copy with our label; no checksum says so. */
function isOurs(bytes: Buffer, name: CopyName): boolean {
  return bytes.subarray(0, 6).equals(magics[name]) && labelOf(bytes) === pendingLabel
}

async function remainsOf(file: FileHandle, name: CopyName): Promise<'none' | 'pending' | 'other'> {
  if ((await fileBytes(file)) < copyOffsets[name] + copyBytes) return 'other'
  const bytes = await readExactly(file, copyOffsets[name], copyBytes)
  if (bytes.includes(nodeTokenType)) return 'other'
  if (isZero(bytes.subarray(0, 512))) return 'none'
  return isOurs(bytes, name) ? 'pending' : 'other'
}

async function findForeign(file: FileHandle): Promise<string | undefined> {
  const bytes = await fileBytes(file)
  const head = await readExactly(file, 0, Math.min(edgeBytes, bytes))
  for (const signature of [...signatures, ...atEnd(bytes)])
    if (await has(file, signature, bytes)) return signature.found
  return isZero(head) ? undefined : `unknown data at offset ${head.findIndex(byte => byte !== 0)}`
}

function atEnd(bytes: number): readonly Signature[] {
  return mdRaidOffsets(bytes).map(offset => ({
    found: 'md raid',
    offset,
    bytes: Buffer.from('fc4e2ba9', 'hex'),
  }))
}

async function has(file: FileHandle, signature: Signature, bytes: number): Promise<boolean> {
  const at = signature.offset < 0 ? bytes + signature.offset : signature.offset
  const expected = signature.bytes
  if (at < 0 || at + expected.length > bytes) return false
  return (await readExactly(file, at, expected.length)).equals(expected)
}

function printable(label: string): string {
  return label.replace(/[^\x20-\x7e]/g, '?')
}
