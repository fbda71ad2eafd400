import { randomFillSync, timingSafeEqual } from 'node:crypto'
import { formatTime } from '../../protocol/fields.ts'
import { lend, secretBuffer } from '../../protocol/secret.ts'
import {
  type Epoch,
  type EpochId,
  epochName,
  type Holder,
  newEpochId,
  noteHolder,
} from '../../protocol/shares/epoch.ts'
import { epochsOf, type Opening, type Openings, openingsInTurn } from '../../protocol/shares/opening.ts'
import type { SharePlan } from '../../protocol/shares/plan.ts'
import { splitSecret } from '../../protocol/shares/split.ts'
import { describe } from '../system/log.ts'
import { collectSecret, describeCollected } from './collect.ts'
import type { ShareWorld } from './world.ts'

/*
 * One way to the disk secret takes the place of another in steps, of which each can be the last before a power cut:
 *
 *   1. a new secret; its shares lie with guardians, W of which have said so     the old way opens
 *   2. a keyslot that the new secret opens                                      the old way opens
 *   3. the record names both ways                                               either way opens
 *   4. the secret is fetched once from the guardians, and is the same
 *   5. the record names the new way alone                                       the new way opens
 *   6. the old keyslot and an escrow are destroyed, guardians erase the old
 *
 * What a cut leaves behind is put right after the next unlock: see `settle`. The two phases, and that a later number
 * supersedes an earlier one, are those of Oxide's trust quorum (RFD 238).
 */

/** Too few guardians have acknowledged their share: the old way stays. */
export class QuorumError extends Error {
  constructor(missed: readonly string[], { plan }: { readonly plan: SharePlan }) {
    const count = plan.guardians.length
    super(
      `Cannot share secret: ${count - missed.length} of ${count} took a share, need ${plan.quorum}: ${missed.join(', ')}`,
    )
    this.name = 'QuorumError'
  }
}

/** Is lent the new secret, once it is the one that opens the disk. */
export type Use = (secret: Buffer) => Promise<void>

/**
 * Gives a new secret to guardians, and destroys the old way to the disk, whichever it was. Throws QuorumError, or what
 * went wrong, with the old way still good. One call at a time; `settle` has to have succeeded since the unlock.
 */
export async function shareAnew(world: ShareWorld, plan: SharePlan, use?: Use): Promise<void> {
  await dropLeft(world)
  const epochId = newEpochId(newestEpoch(world.record().openings) + 1)
  await lend(randomFillSync(secretBuffer(32)), async secret => {
    const holders = await distribute(world, { secret: secret as Buffer, epochId, plan })
    const epoch: Epoch = {
      ...epochId,
      threshold: plan.threshold,
      made: formatTime(world.now()),
      holders,
    }
    const keyslot = await world.keyslots.add(secret as Buffer)
    await nameNext(world, { kind: 'shares', keyslot, epoch })
    await proveShares(world, { epoch, secret }).catch(async (cause: unknown) => {
      await dropNext(world)
      throw cause
    })
    await commitNext(world)
    world.log(
      `shares: epoch ${epochName(epochId)}: ${plan.threshold} of ${plan.guardians.length} guardians open this node`,
    )
    await use?.(secret as Buffer)
  })
}

/**
 * Gives a new secret to the owner alone, by a new escrow, and destroys the way over guardians. Steps and power cuts are
 * as for shares, but for those that ask guardians: nobody but the owner can try an escrow. Throws RangeError where the
 * owner has the secret already, or what went wrong, with the old way still good. Not while `shareAnew` runs.
 */
export async function takeBack(world: ShareWorld): Promise<void> {
  await dropLeft(world)
  if (world.record().openings.current.kind === 'escrow')
    throw new RangeError('Cannot take secret back: its owner has it already')
  await escrowAnew(world)
}

/** Gives a new secret to the owner, by an escrow with the next number, whoever has the present one. */
export async function escrowAnew(world: ShareWorld, use?: Use): Promise<void> {
  await dropLeft(world)
  const { current } = world.record().openings
  const number = (current.kind === 'escrow' ? current.number : current.epoch.number) + 1
  await lend(randomFillSync(secretBuffer(32)), async secret => {
    const keyslot = await world.keyslots.add(secret as Buffer)
    // First named, then written: of two escrows the disk holds one, and its number tells which way it is.
    await nameNext(world, { kind: 'escrow', keyslot, number })
    await world.writeEscrow(secret as Buffer, number)
    await commitNext(world)
    world.log(`shares: escrow ${number}: the owner alone opens this node`)
    await use?.(secret as Buffer)
  })
}

/**
 * Drops what a call has left whose record could not be stored. A guardian keeps one other epoch: that of the present
 * way, which is still good. Of two escrows nobody but an unlock can tell which is on the disk.
 */
async function dropLeft(world: ShareWorld): Promise<void> {
  const { current, next } = world.record().openings
  if (next === undefined) return
  if (current.kind === 'escrow' && next.kind === 'escrow')
    throw new Error('Cannot change secret: a change of its escrow was cut off; start the node again')
  await dropNext(world)
}

type Sharing = { readonly secret: Buffer; readonly epochId: EpochId; readonly plan: SharePlan }

async function distribute(world: ShareWorld, { secret, epochId, plan }: Sharing): Promise<readonly Holder[]> {
  const { nodeId: node, openings } = world.record()
  const { guardians, threshold, quorum } = plan
  const shares = await splitSecret(secret, { count: guardians.length, threshold })
  try {
    const pairs = shares.map((share, at) => ({ share, guardian: guardians[at] ?? '' }))
    const keep = epochsOf(openings).map(({ number, id }) => ({ number, id }))
    const missed: string[] = []
    const give = ({ share, guardian }: { share: Buffer; guardian: string }) =>
      world.guardians.deposit(guardian, { epoch: epochId, share, keep }).catch((cause: unknown) => {
        missed.push(`${guardian} (${describe(cause)})`)
      })
    await Promise.all(pairs.map(give))
    if (guardians.length - missed.length < quorum) throw new QuorumError(missed, { plan })
    // Who missed its share is listed too: it may have it all the same, and its next answer tells.
    return pairs.map(({ share, guardian }) => noteHolder(share, { node, epoch: epochId, guardian }))
  } finally {
    for (const share of shares) share.fill(0)
  }
}

/** So often the secret is fetched before its shares are given up: all of them are with their guardians. */
const proofsMax = 3

/** Fetches the secret as a locked node would. Throws where it cannot be had, or is another. */
async function proveShares(
  world: ShareWorld,
  { epoch, secret }: { readonly epoch: Epoch; readonly secret: Uint8Array },
): Promise<void> {
  const collected = await fetchSecret(world, epoch, proofsMax)
  const isSame = timingSafeEqual(collected, secret)
  collected.fill(0)
  if (!isSame) throw new Error('Cannot share secret: the shares make another one')
}

async function fetchSecret(world: ShareWorld, epoch: Epoch, triesLeft: number): Promise<Buffer> {
  const { guardians, record, heard, log } = world
  const { signal } = new AbortController()
  const collected = await collectSecret({ node: record().nodeId, epoch, guardians, signal })
  heard?.(collected.answers)
  log(`shares: tried: ${describeCollected(epoch, collected)}`)
  if (collected.secret !== undefined) return collected.secret
  if (triesLeft > 1) return fetchSecret(world, epoch, triesLeft - 1)
  throw new Error(
    `Cannot share secret: it could not be fetched again, ${collected.missing} shares are missing`,
  )
}

/** Lists a way whose keyslot works already beside the present one. */
async function nameNext({ change }: ShareWorld, next: Opening): Promise<void> {
  await change(record => ({ ...record, openings: { current: record.openings.current, next } }))
}

/** The next way takes the place of the present one, which is destroyed. Throws Error where there is none. */
export async function commitNext(world: ShareWorld): Promise<void> {
  const { next } = world.record().openings
  if (next === undefined) throw new Error('Cannot change secret: the next way is gone')
  await world.change(record => ({ ...record, openings: { current: next } }))
  await tidy(world)
}

async function dropNext(world: ShareWorld): Promise<void> {
  await world.change(record => ({ ...record, openings: { current: record.openings.current } }))
  await tidy(world)
}

/**
 * After an unlock: ends a change that was cut off. The way that has just opened the disk is the one that stays; what
 * no way names is destroyed.
 */
export async function settle(world: ShareWorld, opened: Pick<Opening, 'keyslot'>): Promise<void> {
  const { next } = world.record().openings
  if (next === undefined) await tidy(world)
  else if (next.keyslot === opened.keyslot) await commitNext(world)
  else await dropNext(world)
}

/** Destroys keyslots and an escrow that no way names. */
async function tidy({ record, keyslots, removeEscrow }: ShareWorld): Promise<void> {
  const ways = openingsInTurn(record().openings)
  const named = ways.map(way => way.keyslot)
  const there = await keyslots.list()
  // Then this is not the header that the record is of, and its last keyslot may be the only one that opens.
  if (!there.some(keyslot => named.includes(keyslot)))
    throw new Error('Cannot destroy keyslots: none of the record is in the header')
  for (const keyslot of there) if (!named.includes(keyslot)) await keyslots.kill(keyslot)
  if (!ways.some(way => way.kind === 'escrow')) await removeEscrow()
}

/**
 * Has guardians erase what this node no longer names. Who is away keeps it until a later call: also a share of an old
 * epoch opens an old copy of the disk. Never throws. Not while `shareAnew` runs: its shares are named by no way at first.
 */
export async function sweep(
  { record, guardians, log }: ShareWorld,
  members: readonly string[],
): Promise<void> {
  const keep = epochsOf(record().openings).map(({ number, id }) => ({ number, id }))
  const tell = (member: string) =>
    guardians.keep(member, keep).catch((cause: unknown) => {
      log(`shares: ${member} does not erase old shares now: ${describe(cause)}`)
    })
  await Promise.all(members.map(tell))
}

/** Of the epochs that there were: an escrow has a number that is larger than that of the way before, the first has 1. */
function newestEpoch(openings: Openings): number {
  const ways = openingsInTurn(openings)
  return Math.max(...ways.map(way => (way.kind === 'shares' ? way.epoch.number : way.number - 1)))
}
