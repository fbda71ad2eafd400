import { randomBytes } from 'node:crypto'
import { collectSecret } from '../../../agent/shares/collect.ts'
import type { ShareWorld } from '../../../agent/shares/world.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { type Opening, openingsInTurn, openingsSchema } from '../../../protocol/shares/opening.ts'
import { sampleRecord } from '../unlock/node-samples.ts'
import type { Guardian } from './fake-guardian.ts'

/** The node's process ends here; what was written stays. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut'
}

/** What of a node outlives a power cut. */
export type Disk = {
  record: NodeRecord
  /** The secret that opens it, by keyslot. */
  readonly keyslots: Map<number, Buffer>
  /** The secret that the owner gets out of it. */
  escrow: Buffer | undefined
}

const keyslotsMax = 32
const sample = sampleRecord('00000000-0000-4000-8000-000000000000')

/** The disk of a node that has just enrolled: its owner has the secret. */
export function newDisk(nodeId: string): Disk {
  const secret = randomBytes(32)
  const record: NodeRecord = {
    ...sample,
    nodeId,
    openings: { current: { kind: 'escrow', keyslot: 0, number: 1 } },
  }
  return { record, keyslots: new Map([[0, secret]]), escrow: Buffer.from(secret) }
}

/** As an attacker copies it. */
export function copyOf({ record, keyslots, escrow }: Disk): Disk {
  return { record, keyslots: new Map(keyslots), escrow }
}

export type When = 'before' | 'after'

/** Called before and after each call of the world that does something. A PowerCut ends the process, others are errors. */
export type Border = (when: When, call: string) => void | Promise<void>

export type Outside = {
  /** The guardian of this name as the node reaches it now; throws where it does not. */
  readonly reach: (guardian: string) => Guardian
  readonly border?: Border
  readonly now?: () => Date
  readonly log?: (line: string) => void
  /** Is shown the bytes of each secret and share that the world was lent or gave out. */
  readonly lent?: (bytes: Buffer) => void
}

/** A process of the node whose disk this is. After a power cut it neither reads nor writes anything more. */
export function processOn(disk: Disk, outside: Outside): ShareWorld {
  let isOver = false
  const cross: Border = async (when, call) => {
    try {
      if (isOver) throw new PowerCut(`the power was cut before ${call}`)
      await outside.border?.(when, call)
    } catch (error) {
      isOver ||= error instanceof PowerCut
      throw error
    }
  }
  const guarded = async <T>(call: string, act: () => T | Promise<T>): Promise<T> => {
    await cross('before', call)
    const result = await act()
    await cross('after', call)
    return result
  }
  const lent = (bytes: Buffer): Buffer => {
    outside.lent?.(bytes)
    return bytes
  }
  return {
    record: () => disk.record,
    change: edit => guarded('change', () => (disk.record = checked(edit(disk.record)))),
    keyslots: {
      add: secret => guarded('add keyslot', () => addKeyslot(disk, lent(secret))),
      kill: keyslot => guarded('kill keyslot', () => void disk.keyslots.delete(keyslot)),
      list: () => guarded('list keyslots', () => [...disk.keyslots.keys()]),
    },
    writeEscrow: secret => guarded('write escrow', () => void (disk.escrow = Buffer.from(lent(secret)))),
    removeEscrow: () => guarded('remove escrow', () => void (disk.escrow = undefined)),
    guardians: guardiansOf(disk.record.nodeId, { reach: outside.reach, guarded, lent }),
    now: outside.now ?? (() => new Date('2026-11-27T08:00:00Z')),
    log: line => {
      if (!isOver) outside.log?.(line)
    },
  }
}

type Wire = {
  readonly reach: Outside['reach']
  readonly guarded: <T>(call: string, act: () => T | Promise<T>) => Promise<T>
  readonly lent: (bytes: Buffer) => Buffer
}

function guardiansOf(owner: string, { reach, guarded, lent }: Wire): ShareWorld['guardians'] {
  return {
    deposit: (guardian, what) =>
      guarded(`deposit at ${guardian}`, () => {
        lent(what.share)
        return reach(guardian).deposit(owner, what)
      }),
    release: async (guardian, epoch, signal) => {
      const given: Buffer[] = []
      try {
        return await guarded(`release by ${guardian}`, async () => {
          const share = await reach(guardian).release(owner, epoch, signal)
          given.push(share)
          return lent(share)
        })
      } catch (error) {
        for (const share of given) share.fill(0)
        throw error
      }
    },
    keep: (guardian, epochs) => guarded(`keep at ${guardian}`, () => reach(guardian).keep(owner, epochs)),
  }
}

/** As the real one: a record that its schema refuses is not stored. */
function checked(record: NodeRecord): NodeRecord {
  return { ...record, openings: openingsSchema.parse(record.openings) }
}

function addKeyslot({ keyslots }: Disk, secret: Buffer): number {
  const free = Array.from({ length: keyslotsMax }, (_, at) => at).find(at => !keyslots.has(at))
  if (free === undefined) throw new Error('Cannot add keyslot: all are in use')
  keyslots.set(free, Buffer.from(secret))
  return free
}

/** What a locked node and its owner do: the first of the ways in turn that opens the disk, or undefined. */
export async function unlock(disk: Disk, world: ShareWorld): Promise<Opening | undefined> {
  for (const way of openingsInTurn(disk.record.openings)) {
    const secret = way.kind === 'escrow' ? disk.escrow : await fromShares(world, way)
    if (secret !== undefined && disk.keyslots.get(way.keyslot)?.equals(secret)) return way
  }
  return undefined
}

async function fromShares(
  { record, guardians }: ShareWorld,
  { epoch }: Extract<Opening, { kind: 'shares' }>,
): Promise<Buffer | undefined> {
  const { signal } = new AbortController()
  return (await collectSecret({ node: record().nodeId, epoch, guardians, signal })).secret
}
