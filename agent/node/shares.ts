import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isHeld } from '../../protocol/cluster/membership.ts'
import { type Escrow, sealEscrow } from '../../protocol/escrow.ts'
import { fromBase64url } from '../../protocol/fields.ts'
import type { Opening } from '../../protocol/shares/opening.ts'
import { careForShares } from '../shares/care.ts'
import { newContacts, noting } from '../shares/contacts.ts'
import { type GuardianClient, guardianClient } from '../shares/guardian-client.ts'
import type { ShareWorld } from '../shares/world.ts'
import { hurried } from '../system/faults.ts'
import { bootTimeMs } from '../system/libc.ts'
import { log, tolerate } from '../system/log.ts'
import { withHeader } from '../unlock/header-file.ts'
import { keyslotsOf } from '../unlock/keyslots.ts'
import { storeFolder, withLeaseKey } from '../unlock/record-store.ts'
import { escrowToken } from '../unlock/tokens.ts'
import { removeToken, writeToken } from '../unlock/volume.ts'
import { known } from './machine.ts'
import { changeRecord } from './records.ts'
import type { Node } from './serve.ts'
import { dataFolder, nodeVolume, nodeWorld } from './volume.ts'

/** A guardian takes a node for dead after 60 s. */
const leaseMs = 15_000
const gatherMs = 10 * 60_000
const goodbyeMs = 3000

/** What this node says to its guardians. */
export function guardiansOf(node: Node): GuardianClient {
  const { machine, ask } = node
  if (ask === undefined) throw new Error('Cannot reach guardians: the node has not joined its cluster yet')
  const { counter } = known(machine, 'image')
  node.contacts ??= newContacts(Date.now)
  const client = guardianClient({
    record: () => node.record,
    ask,
    withLeaseKey: use => withLeaseKey(storeFolder(dataFolder), use),
    isUnlocked: () => machine.dataOpen === true,
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', ''),
    // The lower of two proven releases: none is recorded yet. A guardian never forgets a floor.
    release: () => ({ counter, floor: 0 }),
  })
  return noting(client, node.contacts)
}

/**
 * After an unlock: what was cut off of a change is ended, and from then on this node's guardians know that it lives,
 * and its secret lies with the right ones. `before`: what has to end before its secret is changed.
 */
export function startCare(
  node: Node,
  opened: Pick<Opening, 'keyslot'>,
  before?: (node: Node) => Promise<void>,
): void {
  const { machine, view } = node
  const guardians = guardiansOf(node)
  const world = shareWorld(node, guardians)
  const care = careForShares({
    world,
    guardians,
    members: view.members,
    leaving: () => view.leaving(),
    isBarred: () => isBarred(node),
    isRekeying: () => node.rekey !== undefined,
    nowMs: bootTimeMs,
    random: Math.random,
    gatherMs: hurried(gatherMs, 'shares'),
    opened,
  })
  node.care = {
    trouble: care.trouble,
    takeBack: care.takeBack,
    renew: care.renew,
    isChanging: care.isChanging,
    goodbye: () => Promise.race([care.goodbye(), sleep(goodbyeMs, undefined, { ref: false })]),
  }
  // Before the first round, which would begin with the secret.
  if (before !== undefined) void care.holdBack(() => before(node)).catch(tolerate('rekey'))
  const { signal } = machine.stopping
  const loop = async () => {
    while (!signal.aborted && machine.state.current().name !== 'stopping') {
      await care.round()
      await sleep(leaseMs, undefined, { signal }).catch(() => undefined)
    }
  }
  void loop().catch(tolerate('shares'))
}

/** Held by an operator, or no member any more. */
export function isBarred({ view, record: { nodeId } }: Pick<Node, 'view' | 'record'>): boolean {
  const membership = view.membership()
  return isHeld(membership, nodeId) || membership.departures.has(nodeId)
}

function shareWorld(node: Node, guardians: GuardianClient): ShareWorld {
  const volume = nodeVolume(known(node.machine, 'disk'))
  const { device } = volume
  const world = nodeWorld()
  return {
    record: () => node.record,
    change: edit => changeRecord(node, edit),
    keyslots: keyslotsOf(world, volume),
    guardians,
    writeEscrow: (secret, number) =>
      writeToken(world.run, device, escrowToken(escrowOf(node, secret, number))),
    removeEscrow: async () => {
      const isThere = await withHeader(device, `${volume.headerFile}-escrow`, ({ header }) =>
        Promise.resolve(header.metadata.tokens['1'] !== undefined),
      )
      if (isThere) await removeToken(world.run, device, 'orama-escrow')
    },
    heard: answers => node.contacts?.judge(answers),
    now: () => new Date(),
    log,
  }
}

function escrowOf({ record }: Node, secret: Buffer, number: number): Escrow {
  const { cluster, nodeId, luksUuid, owner, ownerPublicKey } = record
  return sealEscrow(secret, fromBase64url(ownerPublicKey), { cluster, nodeId, luksUuid, number, owner })
}
