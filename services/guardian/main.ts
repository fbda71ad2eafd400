import { randomBytes } from 'node:crypto'
import { closeHttp, serveHttp } from '../../http/server.ts'
import { ipv4 } from '../../protocol/fields.ts'
import { newKeyPair } from '../../protocol/keys.ts'
import { guardianRoutes } from './routes.ts'
import { newSession } from './sessions.ts'
import { storeClient } from './store-client.ts'

/**
 * The guardian: gives nodes of the cluster their shares, which the agent of this node keeps. Arguments: the WireGuard
 * address, and the path of the agent's Unix socket.
 */
const port = 10_106

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`guardian: ${String(error)}`)
  process.exitCode = 1
})

async function main([address, socketPath, ...more]: readonly string[]): Promise<void> {
  if (
    !ipv4.safeParse(address).success ||
    address === undefined ||
    socketPath === undefined ||
    more.length > 0
  )
    throw new RangeError('Cannot start: need the WireGuard address and the path of a socket, no more')
  const log = (line: string) => {
    console.log(line)
  }
  const session = newSession({ id: randomBytes(16), keys: newKeyPair('x25519') })
  const store = storeClient({ socketPath, log })
  const nowMs = () => performance.now()
  const routes = guardianRoutes({ store, session, nowMs, random: randomBytes, log })
  const report = (error: unknown) => {
    log(`http: ${String(error)}`)
  }
  const server = await serveHttp({ address, port, routes, report })
  process.once('SIGTERM', () => {
    void closeHttp(server).then(() => process.exit(0))
  })
  log(`session ${session.id} on ${address}:${port}`)
}
