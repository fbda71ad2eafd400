import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Site } from './node.ts'

/** Somebody on the test network who answers, and counts who has come. */
export type Listener = AsyncDisposable & { readonly calls: () => number }

/** Listens at an address that the test network's host has: its own, or the operator's in WireGuard. */
export async function listenAt({ network }: Site, address: string, port: number): Promise<Listener> {
  let calls = 0
  const server = createServer((_, response) => response.end('heard')).on('connection', () => (calls += 1))
  const inside = await network.namespace.enter()
  try {
    server.listen(port, address)
    await once(server, 'listening')
  } finally {
    await inside[Symbol.asyncDispose]()
  }
  return {
    calls: () => calls,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
