import { once } from 'node:events'
import { createServer, request as startRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Site } from './node.ts'

export type Asked = { readonly method: string; readonly path: string; readonly body: Buffer }
export type Answer = { readonly status: number; readonly body: Buffer }

/** What somebody in between does with a request: an answer of his own, the node's, or none. */
export type Meddling = (asked: Asked, forward: () => Promise<Answer>) => Promise<Answer | 'cut'>

export type Middleman = AsyncDisposable & {
  /** What he got to see, as `METHOD /path`. */
  readonly seen: readonly string[]
}

// From here he talks to the node himself, past his own redirection.
const ownAddress = '192.0.2.2'
const enrollmentPort = 9999

/**
 * Somebody who sits on the cable: whoever on the network speaks with port 9999 of the node speaks with him. This
 * process has to be in the network's namespace (`namespace.enter`) as long as he is there.
 */
export async function startMiddleman({ network, port }: Site, meddle: Meddling): Promise<Middleman> {
  const seen: string[] = []
  const leaving = new AbortController()
  const server = createServer((asked, answer) => {
    const { method = '', url = '' } = asked
    seen.push(`${method} ${url}`)
    relay(asked, answer, { meddle, nodeAddress: port.address, signal: leaving.signal }).catch(() =>
      answer.destroy(),
    )
  })
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  const { port: ownPort } = server.address() as AddressInfo
  await network.exec('ip', ['address', 'replace', `${ownAddress}/24`, 'dev', 'br0'])
  const victims = `ip daddr ${port.address} ip saddr != ${ownAddress} tcp dport ${enrollmentPort}`
  await network.exec('nft', ['-f', '-'], { input: redirection(`${victims} redirect to :${ownPort}`) })
  return {
    seen,
    [Symbol.asyncDispose]: async () => {
      await network.exec('nft', ['delete', 'table', 'ip', 'middleman'])
      server.close()
      leaving.abort()
      server.closeAllConnections()
    },
  }
}

function redirection(rule: string): string {
  return `table ip middleman {\n chain out {\n  type nat hook output priority -100;\n  ${rule}\n }\n}\n`
}

type Between = {
  readonly meddle: Meddling
  readonly nodeAddress: string
  /** Aborted when he goes: a node that was switched off would never answer. */
  readonly signal: AbortSignal
}

async function relay(
  asked: IncomingMessage,
  answer: ServerResponse,
  { meddle, nodeAddress, signal }: Between,
): Promise<void> {
  const { method = '', url: path = '', headers } = asked
  const body = await buffer(asked)
  const forward = async () => {
    const where = { host: nodeAddress, port: enrollmentPort, localAddress: ownAddress, agent: false, signal }
    const sent = startRequest({ ...where, method, path, headers })
    sent.end(body)
    const [reply] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: reply.statusCode ?? 0, body: await buffer(reply) }
  }
  const said = await meddle({ method, path, body }, forward)
  if (said === 'cut') answer.destroy()
  else answer.writeHead(said.status, { 'content-type': 'application/json' }).end(said.body)
}
