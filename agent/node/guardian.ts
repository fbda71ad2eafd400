import { HttpError } from '../../http/error.ts'
import { isHeld, present } from '../../protocol/cluster/membership.ts'
import { fromBase64url } from '../../protocol/fields.ts'
import type { MemberList } from '../../protocol/shares/store.ts'
import { withShareFaults } from '../guardian/share-faults.ts'
import { openShareStore } from '../guardian/share-store.ts'
import { serveGuardian } from '../guardian/socket.ts'
import type { Manifest } from '../services/manifest.ts'
import { socketPlace } from '../services/socket.ts'
import { log, tolerate } from '../system/log.ts'
import { run } from '../system/run.ts'
import { sharesToken } from '../unlock/tokens.ts'
import { writeToken } from '../unlock/volume.ts'
import { known } from './machine.ts'
import type { Node } from './serve.ts'
import { runFolder } from './services.ts'
import { nodeVolume } from './volume.ts'

export type SharesOf = {
  readonly manifests: readonly Manifest[]
  /** The token with the shares, out of the header that the boot has read; throws where it is malformed. */
  readonly held: () => Buffer | undefined
}

/**
 * Serves the guardian's program on its socket, before that program starts: the shares that this node holds for others,
 * which lie in the header and so outlive a power cut everywhere, and the news of the cluster.
 */
export async function serveShares(node: Node, { manifests, held }: SharesOf): Promise<void> {
  const { record } = node
  const { device } = nodeVolume(known(node.machine, 'disk'))
  const store = openShareStore({
    cluster: record.cluster,
    nodeId: record.nodeId,
    // For as long as the node runs: without a TPM it lies in the header as well.
    key: fromBase64url(record.sharesKey),
    read: held,
    write: box => writeToken(run, device, sharesToken(box)),
  })
  const fault = store.fault()
  if (fault !== undefined) log(`guardian: ${fault.message}`)
  node.store = store
  // Of those of whom it was heard right before a power cut.
  await eraseDeparted(node).catch(tolerate('shares of who is no member'))
  const uid = manifests.find(manifest => manifest.sockets.includes('shares'))?.uid
  await serveGuardian(
    {
      store: withShareFaults(store),
      members: () => memberList(node),
      exchange: (message, from) => {
        if (node.spread === undefined)
          throw new HttpError(503, 'this node has just started', 'ask again in some seconds')
        return node.spread.answer(message, from)
      },
    },
    { ...(await socketPlace(runFolder, 'shares', uid)), report: tolerate('guardian') },
  )
}

/** Shares of nodes that are members no more are given to nobody: keeping them would only help who copies this disk. */
export async function eraseDeparted({ store, view }: Pick<Node, 'store' | 'view'>): Promise<void> {
  if (store === undefined || store.fault() !== undefined) return
  const { departures } = view.membership()
  const gone = Object.entries(store.holdings()).filter(
    ([node, { epochs }]) => departures.has(node) && epochs.length > 0,
  )
  await Promise.all(gone.map(([node]) => store.keep(node, [])))
  for (const [node] of gone) log(`guardian: the shares of ${node}, who is no member any more, are erased`)
}

/** As the guardian's program judges by it. */
export function memberList({ record, view }: Pick<Node, 'record' | 'view'>): MemberList {
  const membership = view.membership()
  const members = present(membership).map(({ nodeId, address, hello }) => ({
    ...{ nodeId, address, hello },
    ...(isHeld(membership, nodeId) ? { held: true } : {}),
  }))
  return { cluster: record.cluster, nodeId: record.nodeId, members }
}
