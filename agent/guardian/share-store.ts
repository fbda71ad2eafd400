import { decrypt, encrypt } from '../../protocol/aead.ts'
import { secretBuffer } from '../../protocol/secret.ts'
import { type EpochId, isSameEpoch } from '../../protocol/shares/epoch.ts'
import { shareBytes, shareX } from '../../protocol/shares/split.ts'
import type { Holding, Holdings } from '../../protocol/shares/store.ts'
import { sharesBytesMax } from '../unlock/tokens.ts'
import { type After, gatherer } from './gather.ts'
import {
  bytesOf,
  type HeldShare,
  holdingOf,
  keepOnly,
  raiseCounter,
  type Shares,
  withShare,
} from './shares.ts'
import { formatShares, formattedBytes, parseShares } from './shares-format.ts'

/**
 * The shares that this node holds for others. What it shows is what is on the disk: each change resolves once the
 * token with it has been written, and rejects where that failed.
 */
export type ShareStore = {
  /** Why the token cannot be used; undefined where it can. Everything else throws this error then. */
  readonly fault: () => Error | undefined
  readonly holdings: () => Holdings
  readonly holding: (node: string) => Holding
  /** A copy of a share, the caller's to wipe; undefined where it is not held. */
  readonly share: (node: string, epoch: EpochId) => Buffer | undefined
  /** Keeps a copy of a share, and of the node's others those of `keep` alone. RangeError: a limit would be exceeded. */
  readonly put: (
    node: string,
    of: { readonly epoch: EpochId; readonly share: Uint8Array; readonly keep: readonly EpochId[] },
  ) => Promise<void>
  readonly keep: (node: string, epochs: readonly EpochId[]) => Promise<void>
  readonly raise: (node: string, counter: number) => Promise<void>
}

/** What the store needs of its node. */
export type ShareStoreWorld = {
  readonly cluster: string
  readonly nodeId: string
  /** 32 bytes, lent for as long as the store is in use. */
  readonly key: Uint8Array
  /** The box of the token; undefined where there is none. Throws where it is malformed. */
  readonly read: () => Uint8Array | undefined
  /** Writes a box as the token. Resolves once it is on the disk. */
  readonly write: (box: Buffer) => Promise<void>
  readonly after?: After
}

/** A header is written whole, twice: deposits of many nodes, which come at the same time, share one write. */
const gatherMs = 200

type Change = {
  readonly apply: (shares: Shares) => Shares
  /** The copy of a share that the change brought along. */
  readonly brought?: Buffer | undefined
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** Reads the token; never throws, see `fault`. */
export function openShareStore(world: ShareStoreWorld): ShareStore {
  let shares: Shares = new Map()
  let fault: Error | undefined
  try {
    shares = readShares(world)
  } catch (cause) {
    fault = new Error('Cannot use the shares that are held for others', { cause })
  }
  const gather = gatherer<Change>({
    ms: gatherMs,
    after: world.after ?? ((ms, act) => void setTimeout(act, ms)),
    act: async batch => {
      const before = shares
      const { next, taken } = applyAll(before, batch)
      const failure = next === before ? undefined : await writeShares(world, next)
      if (failure === undefined) shares = next
      wipeAllBut(shares, [...bytesOf(before), ...batch.flatMap(one => one.brought ?? [])])
      for (const { resolve, reject } of taken)
        if (failure === undefined) resolve()
        else reject(failure)
    },
  })
  const known = () => {
    if (fault !== undefined) throw fault
    return shares
  }
  const change = (apply: Change['apply'], brought?: Buffer) =>
    new Promise<void>((resolve, reject) => {
      known()
      gather({ apply, brought, resolve, reject })
    })
  return {
    fault: () => fault,
    holdings: () => Object.fromEntries([...known().keys()].map(node => [node, holdingOf(shares, node)])),
    holding: node => holdingOf(known(), node),
    share: (node, epoch) => {
      const found = known()
        .get(node)
        ?.held.find(one => isSameEpoch(one.epoch, epoch))
      return found && copyOf(found.share)
    },
    put: async (node, { epoch, share, keep }) => {
      known()
      shareX(share)
      const brought = copyOf(share)
      await change(held => withShare(held, node, { epoch, share: brought, keep }), brought)
    },
    keep: (node, epochs) => change(held => keepOnly(held, node, epochs)),
    raise: (node, counter) => change(held => raiseCounter(held, node, counter)),
  }
}

/** What the shares become by a batch, and by which of its changes; those that may not be are rejected. */
function applyAll(shares: Shares, batch: readonly Change[]): { next: Shares; taken: readonly Change[] } {
  let next = shares
  const taken = batch.filter(change => {
    try {
      next = withinLimit(change.apply(next))
      return true
    } catch (cause) {
      change.reject(cause)
      return false
    }
  })
  return { next, taken }
}

function withinLimit(shares: Shares): Shares {
  if (formattedBytes(shares) <= sharesBytesMax) return shares
  throw new RangeError(`Cannot keep share: more than ${sharesBytesMax / 1024} KiB in all`)
}

function readShares(world: ShareStoreWorld): Shares {
  const box = world.read()
  if (box === undefined) return new Map()
  const plaintext = decrypt(world.key, contextOf(world), box)
  try {
    const shares = parseShares(plaintext)
    const own = ({ epoch, share }: HeldShare) => ({ epoch, share: copyOf(share) })
    return new Map([...shares].map(([node, of]) => [node, { ...of, held: of.held.map(own) }]))
  } finally {
    plaintext.fill(0)
  }
}

/**
 * Writes the token; returns why that failed. Such a write may have reached the disk all the same: the next one
 * replaces it.
 */
async function writeShares(world: ShareStoreWorld, shares: Shares): Promise<Error | undefined> {
  const plaintext = formatShares(shares)
  try {
    await world.write(encrypt(world.key, contextOf(world), plaintext))
    return undefined
  } catch (cause) {
    return new Error('Cannot keep shares: the token was not written', { cause })
  } finally {
    plaintext.fill(0)
  }
}

/** A token of another node, or of this machine in another cluster, does not open. */
function contextOf({ cluster, nodeId }: ShareStoreWorld): string {
  return `orama-shares-v1|${cluster}|${nodeId}`
}

function copyOf(share: Uint8Array): Buffer {
  const copy = secretBuffer(shareBytes)
  copy.set(share)
  return copy
}

function wipeAllBut(shares: Shares, used: readonly Buffer[]): void {
  const current = bytesOf(shares)
  for (const bytes of used) if (!current.has(bytes)) bytes.fill(0)
}
