import { shareAnew } from '../../../agent/shares/change.ts'
import type { ShareWorld } from '../../../agent/shares/world.ts'
import { type Opening, openingsInTurn } from '../../../protocol/shares/opening.ts'
import { planShares, type SharePlan } from '../../../protocol/shares/plan.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'
import { type Guardian, guardianOn, type Store } from './fake-guardian.ts'
import { type Disk, newDisk, type Outside, processOn } from './fake-world.ts'

/** A node and its guardians, of which tests replace what they like. */
export type Bench = {
  readonly disk: Disk
  readonly plan: SharePlan
  readonly stores: ReadonlyMap<string, Store>
  readonly guardians: Map<string, Guardian>
  readonly log: string[]
  /** A new process of the node. */
  readonly start: (outside?: Partial<Outside>) => ShareWorld
}

/** A node with so many guardians, whose secret its owner has, or already they. */
export async function newBench(count: number, from: Opening['kind']): Promise<Bench> {
  const ids = Array.from({ length: count + 1 }, (_, at) => someNodeId(at))
  const [nodeId = ''] = ids
  const plan = planShares(nodeId, ids)
  const stores = new Map(plan.guardians.map(guardian => [guardian, new Map() as Store]))
  const guardians = new Map([...stores].map(([guardian, store]) => [guardian, guardianOn(store)]))
  const disk = newDisk(nodeId)
  const log: string[] = []
  const reach = (guardian: string): Guardian => {
    const found = guardians.get(guardian)
    if (found === undefined) throw new Error('it is away')
    return found
  }
  const start = (outside: Partial<Outside> = {}) =>
    processOn(disk, { reach, log: line => log.push(line), ...outside })
  if (from === 'shares') await shareAnew(start(), plan)
  return { disk, plan, stores, guardians, log, start }
}

/** Which of a disk's keyslots and whether its escrow are named by no way that its record lists. */
export function leftOver({ record, keyslots, escrow }: Disk): readonly string[] {
  const ways = openingsInTurn(record.openings)
  const slots = [...keyslots.keys()].filter(keyslot => !ways.some(way => way.keyslot === keyslot))
  const isLeft = escrow !== undefined && !ways.some(way => way.kind === 'escrow')
  return [...slots.map(keyslot => `keyslot ${keyslot}`), ...(isLeft ? ['escrow'] : [])]
}
