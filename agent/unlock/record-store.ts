import { randomFillSync } from 'node:crypto'
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { macRecord, signedRecordSchema, type NodeRecord, type SignedRecord } from '../../protocol/record.ts'
import { secretBuffer } from '../../protocol/secret.ts'
import { syncFolder } from '../system/sync.ts'

/**
 * The authoritative enrollment record on the encrypted data partition, and the key of its MAC:
 *
 * | File             | Content                                                            |
 * |------------------|--------------------------------------------------------------------|
 * | `mac.key`        | 32 random bytes                                                    |
 * | `cluster.secret` | 32 bytes that all nodes of the cluster share                       |
 * | `lease.key`      | 32 bytes: what only the unlocked node signs with                   |
 * | `volume.key`     | 64 bytes: with it keyslots are added without the secret of another |
 * | `record.json`    | SignedRecord: what the token has to hold, or the one that follows  |
 */
const files = {
  key: 'mac.key',
  cluster: 'cluster.secret',
  lease: 'lease.key',
  volume: 'volume.key',
  record: 'record.json',
} as const
const keyBytes = 32
const recordBytesMax = 1024 * 1024

/** Where the store lies below the mount point of the data partition. */
export function storeFolder(mountPoint: string): string {
  return join(mountPoint, 'agent')
}

/** Makes the store of a new node with a fresh key; returns its first record, signed. All of it is synced. */
export async function createStore(
  folder: string,
  record: NodeRecord,
  { clusterSecret, leasePrivate }: { readonly clusterSecret: Buffer; readonly leasePrivate: Buffer },
): Promise<SignedRecord> {
  await mkdir(folder, { mode: 0o700 })
  await writeSynced(folder, files.cluster, clusterSecret)
  await writeSynced(folder, files.lease, leasePrivate)
  return withNewKey(async key => {
    await writeSynced(folder, files.key, key)
    const signed = macRecord(record, key)
    await keepRecord(folder, signed)
    return signed
  })
}

/** The record that is kept. Throws SyntaxError for a malformed one, and when there is no store. */
export async function readKept(folder: string): Promise<SignedRecord> {
  const path = join(folder, files.record)
  const bytes = await stat(path).then(
    found => found.size,
    () => undefined,
  )
  if (bytes === undefined) throw new SyntaxError(`Cannot read '${folder}': there is no record`)
  if (bytes > recordBytesMax) throw new SyntaxError(`Cannot read '${path}': ${bytes} bytes is too long`)
  try {
    return signedRecordSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (cause) {
    throw new SyntaxError(`Cannot read '${path}'`, { cause })
  }
}

/** Signs a record with the MAC key. */
export function signRecord(folder: string, record: NodeRecord): Promise<SignedRecord> {
  return withKey(folder, key => Promise.resolve(macRecord(record, key)))
}

/** Keeps a record, whose token has been written, in place of the one before. */
export function keepRecord(folder: string, signed: SignedRecord): Promise<void> {
  return writeSynced(folder, files.record, JSON.stringify(signed))
}

/** Lends the MAC key to `use` and wipes it. Throws RangeError when the file is not 32 bytes. */
export async function withKey<T>(folder: string, use: (key: Buffer) => Promise<T>): Promise<T> {
  return withFile(folder, files.key, use)
}

/** Lends the cluster's secret, as `withKey` does the key. */
export async function withClusterSecret<T>(folder: string, use: (secret: Buffer) => Promise<T>): Promise<T> {
  return withFile(folder, files.cluster, use)
}

/** Lends the raw private lease key, as `withKey` does the key. */
export async function withLeaseKey<T>(folder: string, use: (key: Buffer) => Promise<T>): Promise<T> {
  return withFile(folder, files.lease, use)
}

/** Where cryptsetup writes and reads the volume key. */
export function volumeKeyPath(folder: string): string {
  return join(folder, files.volume)
}

async function withFile<T>(folder: string, name: string, use: (key: Buffer) => Promise<T>): Promise<T> {
  const key = secretBuffer(keyBytes)
  const file = await open(join(folder, name), 'r')
  try {
    const { bytesRead } = await file.read(key, 0, keyBytes, 0)
    if (bytesRead !== keyBytes || (await file.stat()).size !== keyBytes)
      throw new RangeError(`Cannot use '${name}': need ${keyBytes} bytes`)
    return await use(key)
  } finally {
    key.fill(0)
    await file.close()
  }
}

async function withNewKey<T>(use: (key: Buffer) => Promise<T>): Promise<T> {
  const key = secretBuffer(keyBytes)
  try {
    return await use(randomFillSync(key))
  } finally {
    key.fill(0)
  }
}

/** Whole or not at all, also through a power cut: written beside, synced, renamed, the folder synced. */
async function writeSynced(folder: string, name: string, content: string | Buffer): Promise<void> {
  const beside = join(folder, `${name}.new`)
  const file = await open(beside, 'w', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, join(folder, name))
  await syncFolder(folder)
}
