import { join } from 'node:path'
import { readDataState } from '../../../agent/disk/blank.ts'
import { sectorBytes } from '../../../agent/disk/gpt.ts'
import { dataOffset } from '../../../agent/disk/luks2.ts'
import { run } from '../../../agent/system/run.ts'
import { withHeader } from '../../../agent/unlock/header-file.ts'
import { readEscrowToken, readNodeToken } from '../../../agent/unlock/tokens.ts'
import type { LuksHeader } from '../../../agent/unlock/luks-header.ts'
import { tryOpen } from '../../../agent/unlock/volume.ts'
import type { Escrow } from '../../../protocol/escrow.ts'
import { epochName } from '../../../protocol/shares/epoch.ts'
import { type Opening, openingsInTurn } from '../../../protocol/shares/opening.ts'
import { type Disk, logWrites, makeRawCopy } from '../../../qemu/disk.ts'
import { openReplay } from '../../../qemu/replay.ts'
import type { HeldShares } from './held-shares.ts'
import { overlap, partitionFile } from './partition-file.ts'
import { partitionOf } from './raw-disk.ts'

/** What a machine wrote to its disk since it was started on `disk`. */
export type HeaderRecording = { readonly disk: Disk; readonly base: Disk; readonly logFile: string }

/** Copies a disk that is not in use, and has what is written to it from now on logged. */
export async function recordHeader(disk: Disk, place: string): Promise<HeaderRecording> {
  const base = await makeRawCopy(disk, `${place}-base.img`)
  const logFile = `${place}.writes`
  return { base, logFile, disk: await logWrites(disk, logFile) }
}

export type Secrets = {
  readonly shares: HeldShares
  /** Opens escrows of the node as its owner; undefined where it has none. */
  readonly openEscrow?: (escrow: Escrow) => Buffer
}

export type WritesJudged = {
  /** The states of the header that a power cut could have left. */
  readonly count: number
  /** What the record named, in the order in which it did: `escrow 1`, `escrow 1, epoch 2`, `epoch 2`. */
  readonly named: readonly string[]
  /** States in which no way that the record names opens the disk. */
  readonly closed: readonly string[]
}

/**
 * Rebuilds a disk write by write, and half write by half write, and tries in every state of an enrolled node's header
 * whether one of the ways that its record names opens it with the secret of that way. The machine has ended in order.
 */
export async function judgeHeaderWrites(
  { base, logFile, disk }: HeaderRecording,
  { folder, ...secrets }: Secrets & { readonly folder: string },
): Promise<WritesJudged> {
  await using replay = await openReplay({ base, logFile, target: join(folder, 'replay.img') })
  const last = await makeRawCopy({ file: disk.file, format: disk.format }, join(folder, 'last.img'))
  const data = await partitionOf(last, 'data')
  const partition = await partitionFile(replay.disk, join(folder, 'replay-data.img'), data)
  const opens = judgeOf(folder, secrets)
  const named: string[] = []
  const closed: string[] = []
  let count = 0
  const judge = async (what: string) => {
    if ((await readDataState(partition.file)).kind !== 'enrolled') return
    count += 1
    const { names, why } = await opens(partition.file)
    if (why !== undefined) closed.push(`${what}: ${why}`)
    if (names !== undefined && names !== named.at(-1)) named.push(names)
  }
  for (let at = 1; at <= replay.count; at++) {
    const entry = await replay.advance(at)
    if (entry?.kind !== 'write' && entry?.kind !== 'discard') continue
    if (overlap({ offset: data.offset, bytes: dataOffset }, entry).bytes === 0) continue
    const half = Math.floor(entry.bytes / sectorBytes / 2) * sectorBytes
    await partition.follow({ offset: entry.offset, bytes: half })
    await judge(`half of write ${at}`)
    await partition.follow(entry)
    await judge(`write ${at}`)
  }
  return { count, named, closed }
}

type Judged = { readonly names?: string; readonly why?: string }

/** What an enrolled node's header names, and why none of that opens the disk: undefined where one does. */
function judgeOf(folder: string, secrets: Secrets): (file: string) => Promise<Judged> {
  const checked = join(folder, 'judged.header')
  const find = secretFinder(secrets)
  return async device => {
    try {
      return await withHeader(device, checked, async ({ header, file: headerFile }) => {
        const ways = openingsInTurn(readNodeToken(header).record.openings)
        const names = ways.map(nameOf).toReversed().join(', ')
        const failures: string[] = []
        for (const way of ways) {
          const opened = find(way, header).then(secret =>
            tryOpen(run, { device, headerFile, secret, keyslot: way.keyslot }),
          )
          const failure = await opened.catch((cause: unknown) => `${nameOf(way)}: ${String(cause)}`)
          if (failure === undefined) return { names }
          failures.push(failure)
        }
        return { names, why: failures.join(', ') }
      })
    } catch (error) {
      return { why: String(error) }
    }
  }
}

/** The secret of a way, which stays the same: found once. */
function secretFinder({ shares, openEscrow }: Secrets) {
  const known = new Map<string, Buffer>()
  const find = async (way: Opening, header: LuksHeader) => {
    if (way.kind === 'shares') return shares.secret(readNodeToken(header).record.nodeId, way.epoch)
    const escrow = readEscrowToken(header)
    if (escrow === undefined || openEscrow === undefined) throw new Error('there is no escrow')
    return openEscrow(escrow)
  }
  return async (way: Opening, header: LuksHeader) => {
    const name = nameOf(way)
    const secret = known.get(name) ?? (await find(way, header))
    known.set(name, secret)
    return secret
  }
}

function nameOf(way: Opening): string {
  return way.kind === 'shares' ? `epoch ${epochName(way.epoch)}` : `escrow ${way.number}`
}
