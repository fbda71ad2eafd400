import type { Escrow } from '../../protocol/escrow.ts'
import { type Opening, openingsInTurn } from '../../protocol/shares/opening.ts'
import { unlockDesk } from '../command/unlock.ts'
import { openByPeers } from '../shares/wait.ts'
import { untilAborted } from '../system/abort.ts'
import { faultPoint } from '../system/faults.ts'
import { inTurn } from '../system/in-turn.ts'
import { log } from '../system/log.ts'
import { checkUnchanged } from '../unlock/check.ts'
import { abandon, openNode } from '../unlock/open.ts'
import type { LuksHeader } from '../unlock/luks-header.ts'
import { known } from './machine.ts'
import { changeRecord } from './records.ts'
import { goOnWith, openingsIn } from './rekey.ts'
import type { Node } from './serve.ts'
import { guardiansOf, startCare } from './shares.ts'
import { nodeVolume, nodeWorld } from './volume.ts'

/**
 * Waits until the disk of a locked node is open: by an order of its owner, where its secret is escrowed, or by the
 * shares of its guardians, or by whichever of both comes first while one takes the place of the other.
 */
export async function untilOpen(node: Node, escrow: Escrow | undefined): Promise<void> {
  const { machine, record } = node
  const opened = new AbortController()
  const open = oneAtATime(node, opened)
  const ways = openingsInTurn(record.openings)
  const escrows = ways.filter(way => way.kind === 'escrow')
  // Of two the disk holds one.
  const owners = escrows.find(way => way.number === escrow?.number) ?? escrows[0]
  if (owners !== undefined && escrow !== undefined) {
    node.unlock = unlockDesk({
      record,
      escrow,
      open: (secret, lastOrder) => open({ secret, way: owners, lastOrder }),
    })
    machine.state.become('locked', 'its owner: orama node unlock')
  }
  if (ways.some(way => way.kind === 'shares')) {
    machine.state.become('waiting-for-peers', 'its guardians')
    void openByPeers({
      record: () => node.record,
      guardians: guardiansOf(node),
      open: (secret, way) => open({ secret, way }),
      report: (line, brief = line) => {
        log(`unlock: ${line}`)
        if (!opened.signal.aborted && !isStopping(node)) machine.state.become('waiting-for-peers', brief)
      },
      heard: answers => node.contacts?.judge(answers),
      signal: AbortSignal.any([opened.signal, machine.stopping.signal]),
    })
  }
  await untilAborted(opened.signal)
}

type Unlocking = { readonly secret: Buffer; readonly way: Opening; readonly lastOrder?: number }
type Open = (unlocking: Unlocking) => Promise<void>

/** Owner and guardians may come at the same time: who is second finds the disk open. */
function oneAtATime(node: Node, opened: AbortController): Open {
  const turn = inTurn()
  return unlocking =>
    turn(async () => {
      if (opened.signal.aborted) return
      // Its owner is told; who asks guardians ends.
      if (isStopping(node) && unlocking.lastOrder === undefined) return
      if (isStopping(node)) throw new Error('Cannot open disk: the node is stopping')
      const { reencryption } = await openData(node, unlocking)
      startCare(node, unlocking.way, reencryption?.kind === 'clean' ? goOnWith(unlocking.secret) : undefined)
      opened.abort()
    })
}

function isStopping({ machine }: Node): boolean {
  return machine.state.current().name === 'stopping'
}

/** Opens the volume with a secret that is lent; stores the number of an order that brought it, and what was heard. */
async function openData(node: Node, { secret, way, lastOrder }: Unlocking): Promise<LuksHeader> {
  const world = nodeWorld()
  const volume = nodeVolume(known(node.machine, 'disk'))
  const started = performance.now()
  await faultPoint('unlock')
  const { record, header } = await openNode(world, volume, { secret, keyslot: way.keyslot })
  node.machine.dataOpen = true
  log(`unlock: secret received to data mounted: ${(performance.now() - started).toFixed(0)} ms`)
  try {
    checkUnchanged(record, node.record)
    await changeRecord(node, present => ({
      ...node.view.into(present),
      lastOrder: lastOrder ?? present.lastOrder,
      openings: openingsIn(header, present.openings),
    }))
  } catch (cause) {
    await abandon(world, volume)
    node.machine.dataOpen = false
    throw cause
  }
  node.unlock?.close()
  node.unlock = undefined
  node.rekey = undefined
  return header
}
