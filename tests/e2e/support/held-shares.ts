import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openShareStore, type ShareStore } from '../../../agent/guardian/share-store.ts'
import { readNodeToken, readSharesToken } from '../../../agent/unlock/tokens.ts'
import { fromBase64url } from '../../../protocol/fields.ts'
import type { Epoch } from '../../../protocol/shares/epoch.ts'
import { combineShares } from '../../../protocol/shares/split.ts'
import { type Disk, makeRawCopy } from '../../../qemu/disk.ts'
import { type Header, parseHeader, takeHeader } from './header.ts'
import { poll } from './poll.ts'

/** The header of a machine's disk, which may be in use: what its guest has flushed is there. */
export async function headerOn(disk: Disk, folder: string): Promise<Header> {
  const raw = await makeRawCopy(disk, join(folder, 'header-on.img'), { inUse: true })
  try {
    return await takeHeader(raw)
  } finally {
    await rm(raw.file)
  }
}

/** The same at a moment at which its guest does not write it. */
export function wholeHeaderOn(disk: Disk, folder: string): Promise<Header> {
  return poll({
    ask: () => headerOn(disk, folder),
    wanted: isWhole,
    what: `a whole header on '${disk.file}'`,
    deadlineMs: 120_000,
    askAgainMs: 2000,
  })
}

function isWhole(header: Header): boolean {
  try {
    parseHeader(header)
    return true
  } catch {
    return false
  }
}

/**
 * The shares that somebody finds who has the disks of guardians in his hands: without a TPM the key lies beside them.
 * So a test knows the secrets of epochs, which no node ever tells.
 */
export type HeldShares = {
  /** Adds what is on a disk; what was found before stays. */
  readonly add: (header: Header) => void
  /** Copies of all shares of a node's epoch, each once. */
  readonly of: (node: string, epoch: Pick<Epoch, 'number' | 'id'>) => readonly Buffer[]
  /** The node's disk secret of that epoch. Throws where too few of its guardians' disks were added. */
  readonly secret: (node: string, epoch: Pick<Epoch, 'number' | 'id' | 'threshold'>) => Promise<Buffer>
}

export function heldShares(): HeldShares {
  const stores: ShareStore[] = []
  const sharesOf: HeldShares['of'] = (node, { number, id }) => {
    const found = stores.flatMap(store => store.share(node, { number, id }) ?? [])
    return [...new Map(found.map(share => [share.at(-1), share])).values()]
  }
  return {
    add: header => stores.push(storeOf(header)),
    of: sharesOf,
    secret: async (node, epoch) => {
      const shares = sharesOf(node, epoch)
      if (shares.length < epoch.threshold)
        throw new Error(
          `Cannot find shares: ${shares.length} of epoch ${epoch.number}, need ${epoch.threshold}`,
        )
      return combineShares(shares.slice(0, epoch.threshold))
    },
  }
}

function storeOf(header: Header): ShareStore {
  const parsed = parseHeader(header)
  const { cluster, nodeId, sharesKey } = readNodeToken(parsed).record
  const store = openShareStore({
    ...{ cluster, nodeId, key: fromBase64url(sharesKey) },
    read: () => readSharesToken(parsed),
    write: () => Promise.reject(new Error('Cannot write: it is a copy')),
  })
  const fault = store.fault()
  if (fault !== undefined) throw fault
  return store
}
