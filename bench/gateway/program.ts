import { createServer as createHttp, request as httpRequest, type RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { recordsOf } from '../../protocol/cluster/membership.ts'
import { addressSchema } from '../../protocol/wallet.ts'
import { signInKeys } from '../../services/gateway/sign-in.ts'
import { startGateway } from '../../services/gateway/start.ts'
import { cluster } from '../../tests/protocol/cluster/sample.ts'
import { agentPlace, benchCertificate, gatewayKey, network, serverName } from './place.ts'
import { openBenchRegistry } from './registered.ts'

/**
 * One server of the measurement, in a process of its own. Arguments: its kind, and what that needs. Its first line
 * says, as JSON, on which port it is and how much memory it has; then come the lines that it logs.
 */
const kinds: Readonly<Record<string, (...args: string[]) => Promise<number>>> = {
  gateway: serveBenchGateway,
  https: async () => serve(createHttps(await tls(), answer)),
  'https-proxy': async () => serve(createHttps(await tls(), passOn)),
  http: () => serve(createHttp(answer)),
  agent: () => serve(createHttp(answer), agentPlace),
}

const rate = { perSecond: 1_000_000, burst: 1_000_000, keysMax: 8192 }

/** A gateway as it runs on a node, but for its agent, which knows what the registry knows, and limits that no rate reaches. */
async function serveBenchGateway(file = '', authorityText = ''): Promise<number> {
  const authority = addressSchema.parse(authorityText)
  const registry = await openBenchRegistry(file, authority)
  const unused = () => Promise.reject(new Error('Cannot have nodes join: they have'))
  const news = async () => ({ membership: recordsOf(await registry.members.membership()), endpoints: [] })
  const { port } = await startGateway({
    ...{
      address: '127.0.0.1',
      port: 0,
      version: '0.1.0',
      origin: `https://${serverName}`,
      network,
      registry,
    },
    certificate: await benchCertificate(),
    signInKeys: signInKeys(gatewayKey),
    offer: { cluster, authority, gatewayKey: '' },
    agent: {
      cluster: unused,
      news,
      tell: () => Promise.resolve(),
      met: () => Promise.resolve(),
      join: unused,
      joined: unused,
    },
    write: line => {
      process.stdout.write(`${line}\n`)
    },
    changes: { rates: { any: rate, slow: rate } },
  })
  return port
}

async function tls() {
  const { key, certificate } = await benchCertificate()
  return { key, cert: certificate, minVersion: 'TLSv1.3' as const }
}

async function serve(server: Server, { host, port } = { host: '127.0.0.1', port: 0 }): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const status = JSON.stringify({ version: '0.1.0', cluster, uptimeS: 12 })

/** As trivial as the gateway's own. */
const answer: RequestListener = (_, response) => {
  const length = Buffer.byteLength(status)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': length })
  response.end(status)
}

/** What the gateway does for a node's status, without asking who wants it. */
const passOn: RequestListener = (_, response) => {
  const asked = httpRequest({ ...agentPlace, path: '/v1/agent/status', agent: false }, node => {
    response.writeHead(node.statusCode ?? 502, { 'content-type': 'application/json' })
    node.pipe(response)
  })
  asked.on('error', () => response.destroy())
  asked.end()
}

async function main([kind = '', ...args]: readonly string[]): Promise<void> {
  const start = kinds[kind]
  if (start === undefined)
    throw new RangeError(`Cannot serve '${kind}': there are ${Object.keys(kinds).join(' ')}`)
  const port = await start(...args)
  await globalThis.gc?.({ type: 'major', execution: 'async' })
  console.log(JSON.stringify({ port, memoryBytes: process.memoryUsage.rss() }))
}

void main(process.argv.slice(2))
