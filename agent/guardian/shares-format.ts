import { nodeId } from '../../protocol/fields.ts'
import { epochsHeldMax } from '../../protocol/shares/epoch.ts'
import { shareBytes } from '../../protocol/shares/split.ts'
import { byEpoch, type HeldShare, type NodeShares, type Shares } from './shares.ts'

/*
 * The plaintext of token `orama-shares`. Bytes, so that no share is ever a string. Numbers are big-endian.
 *
 * | Field               | Bytes |                                                          |
 * | ------------------- | ----- | -------------------------------------------------------- |
 * | version             | 1     | 1                                                        |
 * | nodes               | 2     | how many follow, in the order of their ids, each once    |
 * | node: id            | 17    | ASCII                                                    |
 * | node: release       | 8     | the lowest that still gets its shares                    |
 * | node: epochs        | 1     | 0 to 2; how many follow, by number and id, each once     |
 * | epoch: number       | 8     | from 1                                                   |
 * | epoch: id           | 16    |                                                          |
 * | epoch: share        | 97    | as `splitSecret` makes it; its last byte, x, is not 0    |
 */
const version = 1
const idBytes = 17
const epochIdBytes = 16
const headBytes = 3
const nodeBytes = idBytes + 8 + 1
const epochBytes = 8 + epochIdBytes + shareBytes

/** How long `formatShares` makes it. */
export function formattedBytes(shares: Shares): number {
  const epochs = [...shares.values()].reduce((sum, { held }) => sum + held.length, 0)
  return headBytes + shares.size * nodeBytes + epochs * epochBytes
}

/** All shares as bytes, to be wiped. */
export function formatShares(shares: Shares): Buffer {
  const bytes = Buffer.alloc(formattedBytes(shares))
  let at = bytes.writeUInt16BE(shares.size, bytes.writeUInt8(version))
  for (const node of [...shares.keys()].toSorted()) {
    const { held, counter } = shares.get(node) ?? { held: [], counter: 0 }
    at += bytes.write(node, at, 'latin1')
    at = bytes.writeUInt8(held.length, bytes.writeBigUInt64BE(BigInt(counter), at))
    for (const { epoch, share } of held) {
      at = bytes.writeBigUInt64BE(BigInt(epoch.number), at)
      at += bytes.write(epoch.id, at, 'hex')
      at += share.copy(bytes, at)
    }
  }
  return bytes
}

/**
 * Reads what `formatShares` writes, and nothing that it would not write. The shares are views of `bytes`.
 * Throws SyntaxError that names the first thing that is wrong.
 */
export function parseShares(bytes: Buffer): Shares {
  const reader = readerOf(bytes)
  if (reader.take(1).readUInt8() !== version) throw refusal('unknown version')
  const nodes = reader.take(2).readUInt16BE()
  const shares = new Map<string, NodeShares>()
  let last = ''
  for (let at = 0; at < nodes; at++) {
    // Not as ASCII, which would drop the high bit of each byte.
    const id = reader.take(idBytes).toString('latin1')
    if (!nodeId.safeParse(id).success) throw refusal('no node id')
    if (id <= last) throw refusal('nodes are not in order')
    shares.set(id, readNode(reader))
    last = id
  }
  if (reader.left() > 0) throw refusal('too long')
  return shares
}

type Reader = { readonly take: (count: number) => Buffer; readonly left: () => number }

function readerOf(bytes: Buffer): Reader {
  let at = 0
  return {
    take: count => {
      if (at + count > bytes.length) throw refusal('cut off')
      at += count
      return bytes.subarray(at - count, at)
    },
    left: () => bytes.length - at,
  }
}

function readNode(reader: Reader): NodeShares {
  const counter = readCounter(reader)
  const epochs = reader.take(1).readUInt8()
  if (epochs > epochsHeldMax) throw refusal(`more than ${epochsHeldMax} epochs of a node`)
  if (epochs === 0 && counter === 0) throw refusal('a node of which nothing is held')
  const held: HeldShare[] = []
  for (let at = 0; at < epochs; at++) {
    const one = readShare(reader)
    const before = held.at(-1)
    if (before !== undefined && byEpoch(before, one) >= 0) throw refusal('epochs are not in order')
    held.push(one)
  }
  return { held, counter }
}

function readShare(reader: Reader): HeldShare {
  const number = readCounter(reader)
  if (number === 0) throw refusal('epoch 0')
  const id = reader.take(epochIdBytes).toString('hex')
  const share = reader.take(shareBytes)
  if (share.at(-1) === 0) throw refusal('a share with x 0')
  return { epoch: { number, id }, share }
}

function readCounter(reader: Reader): number {
  const counter = reader.take(8).readBigUInt64BE()
  if (counter > BigInt(Number.MAX_SAFE_INTEGER)) throw refusal('a number is too large')
  return Number(counter)
}

function refusal(reason: string): SyntaxError {
  return new SyntaxError(`Cannot read shares: ${reason}`)
}
