import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { closeHttp, serveHttp } from '../../http/server.ts'
import { newKeyPair } from '../../protocol/keys.ts'
import { thresholds } from '../../protocol/shares/plan.ts'
import { guardianRoutes } from '../../services/guardian/routes.ts'
import { newSession } from '../../services/guardian/sessions.ts'
import type { Store } from '../../services/guardian/store-client.ts'
import { cluster, newNode } from '../../tests/protocol/cluster/sample.ts'
import { altered, type Asker, newAsker } from './asker.ts'
import type { Places } from './collect.ts'

const port = 10_106
/** A guardian that has run for so long gives shares. */
const upMs = 20_000

export type Crowd = {
  readonly count: number
  /** So many take connections and never answer. */
  readonly dead: number
  /** So many others hold a wrong share, which they give. */
  readonly lying: number
}

/**
 * A node and its guardians, with as many shares needed as a plan of so many wants. The guardians' servers are all in
 * this process, with stores in memory; `stack` ends them.
 */
export async function startCrowd(
  { count, dead, lying }: Crowd,
  stack: AsyncDisposableStack,
): Promise<{ readonly asker: Asker; readonly places: Places }> {
  const ids = Array.from({ length: count }, () => newNode().nodeId)
  const addresses = new Map(ids.map((id, at) => [id, `127.106.1.${at + 1}`]))
  const asker = await newAsker(ids, thresholds(count).threshold)
  for (const [at, [guardian, address]] of [...addresses].entries()) {
    const right = asker.shares.get(guardian) ?? Buffer.alloc(0)
    const share = at < dead + lying ? altered(right) : right
    await (at < dead ? serveNothing(address, stack) : serveShare({ guardian, address, share, asker }, stack))
  }
  return { asker, places: { addresses, port } }
}

type Served = {
  readonly guardian: string
  readonly address: string
  readonly share: Buffer
  readonly asker: Asker
}

async function serveShare(of: Served, stack: AsyncDisposableStack): Promise<void> {
  const clock = { aheadMs: 0 }
  const routes = guardianRoutes({
    store: storeOf(of),
    session: newSession({ id: randomBytes(16), keys: newKeyPair('x25519') }),
    nowMs: () => performance.now() + clock.aheadMs,
    random: randomBytes,
    log: () => undefined,
  })
  clock.aheadMs = upMs
  const server = await serveHttp({ address: of.address, port, routes, report: () => undefined })
  stack.defer(() => closeHttp(server))
}

/** Of one share, which nobody changes. */
function storeOf({ guardian, share, asker: { epoch, member } }: Served): Store {
  const { number, id } = epoch
  const unused = () => Promise.reject(new Error('Cannot change the store: it only gives a share'))
  return {
    members: () => Promise.resolve({ cluster, nodeId: guardian, members: [member] }),
    holding: () => Promise.resolve({ epochs: [{ number, id }], counter: 1 }),
    share: () => Promise.resolve(Buffer.from(share)),
    put: unused,
    keep: unused,
    raise: unused,
    news: unused,
  }
}

async function serveNothing(address: string, stack: AsyncDisposableStack): Promise<void> {
  const server = createServer(socket => {
    socket.on('error', () => undefined).resume()
  })
  server.listen(port, address)
  await once(server, 'listening')
  stack.defer(() => {
    server.close()
  })
}
