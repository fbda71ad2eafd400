import { randomBytes } from 'node:crypto'
import { openShareStore, type ShareStore, type ShareStoreWorld } from '../../../agent/guardian/share-store.ts'
import { shareBytes } from '../../../protocol/shares/split.ts'

export const cluster = '0a'.repeat(16)
export const guardian = 'nabcdefghijklmnop'
export const key = randomBytes(32)

/** Bytes such as a share has: of the right length, x not 0. */
export function someShare(): Buffer {
  const share = randomBytes(shareBytes)
  share[shareBytes - 1] = 7
  return share
}

export type Bench = {
  readonly store: ShareStore
  /** Every box that was written. */
  readonly written: Buffer[]
  /** The times for which the store waits, in milliseconds. */
  readonly timers: number[]
  /** Lets the time run out, and returns when all that follows from it has been done. */
  readonly elapse: () => Promise<void>
  /** How the next writes end; they succeed unless told otherwise. */
  fail: Error | undefined
}

/** A store with a token in memory and a clock that stands still; `box`: begin with this token. */
export function bench(changes: Partial<ShareStoreWorld> & { readonly box?: Buffer | undefined } = {}): Bench {
  const { box, ...world } = changes
  const acts: (() => void)[] = []
  const made = { written: [] as Buffer[], timers: [] as number[], fail: undefined as Error | undefined }
  const write = async (bytes: Buffer) => {
    if (made.fail !== undefined) throw made.fail
    made.written.push(Buffer.from(bytes))
    return Promise.resolve()
  }
  const after = (ms: number, act: () => void) => {
    made.timers.push(ms)
    acts.push(act)
  }
  const store = openShareStore({ cluster, nodeId: guardian, key, read: () => box, write, after, ...world })
  const elapse = async () => {
    for (const act of acts.splice(0)) act()
    await new Promise(resolve => setImmediate(resolve))
  }
  return Object.assign(made, { store, elapse })
}
