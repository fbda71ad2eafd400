import { gatewayRoutes } from '../gateway/socket.ts'
import type { Manifest } from '../services/manifest.ts'
import { serveOnSocket, socketPlace } from '../services/socket.ts'
import { log, tolerate } from '../system/log.ts'
import { storeFolder, withClusterSecret } from '../unlock/record-store.ts'
import type { Node } from './serve.ts'
import { runFolder } from './services.ts'
import { dataFolder } from './volume.ts'

/** Serves the gateway's program on its socket, where the image has one; it is answered once the disk is open. */
export async function serveJoins(node: Node, manifests: readonly Manifest[]): Promise<void> {
  const gateway = manifests.find(manifest => manifest.sockets.includes('gateway'))
  if (gateway === undefined) return
  const routes = gatewayRoutes({
    record: () => node.record,
    view: node.view,
    hear: async news => {
      await node.spread?.hear(news, 'the gateway')
    },
    withClusterSecret: use => withClusterSecret(storeFolder(dataFolder), use),
    isOpen: () => node.machine.dataOpen === true && node.machine.state.current().name !== 'stopping',
    met: digest => {
      node.registryHas = digest
    },
    now: () => new Date(),
    log,
  })
  const place = await socketPlace(runFolder, 'gateway', gateway.uid)
  await serveOnSocket(routes, { ...place, report: tolerate('gateway') })
}
