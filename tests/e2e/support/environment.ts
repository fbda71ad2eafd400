import type { Network } from '../../../qemu/network.ts'
import { gatewayName } from '../../../services/gateway/certificate.ts'
import { must, type Site } from './node.ts'
import { poll } from './poll.ts'

type Environment = {
  readonly name: string
  readonly gateway: string
  /** SHA-256 of the gateways' certificate, hexadecimal. */
  readonly certificate: string
}

/** Has the operator call a cluster by this gateway. */
export async function addEnvironment(
  orama: Site['orama'],
  { name, gateway, certificate }: Environment,
): Promise<void> {
  const place = ['--gateway', gateway, '--server-name', gatewayName]
  must(await orama('env', 'add', name, ...place, '--fingerprint', certificate))
}

/** As the log of the genesis' gateway says it, which the operator reads over WireGuard. */
export async function certificateOf(orama: Site['orama']): Promise<string> {
  const log = must(await orama('node', 'logs', '--node-ip', '10.0.0.1', '--service', 'gateway'))
  const found = /"certificate":"([0-9a-f]{64})"/.exec(log)?.[1]
  if (found === undefined) throw new Error(`Cannot find the certificate in the gateway's log: ${log}`)
  return found
}

/** What a gateway answers with to somebody without a token; 0 where there is no answer. */
export async function statusOf({ exec }: Network, url: string, body?: string): Promise<number> {
  const sent = body === undefined ? [] : ['-H', 'Content-Type: application/json', '-d', body]
  const flags = ['-sk', '-m', '30', '-o', '/dev/null', '-w', '%{http_code}', ...sent, url]
  return exec('curl', flags).then(Number, () => 0)
}

/** Waits until a gateway listens, whether or not it has a registry. */
export async function untilServing(network: Network, gateway: string, deadlineMs: number): Promise<void> {
  await untilAnswered(network, `${gateway}/v1/status`, deadlineMs)
}

/** Waits until a gateway has its registry. */
export async function untilHealthy(network: Network, gateway: string, deadlineMs: number): Promise<void> {
  await untilAnswered(network, `${gateway}/health`, deadlineMs)
}

async function untilAnswered(network: Network, url: string, deadlineMs: number): Promise<void> {
  const ask = () => statusOf(network, url)
  await poll({ ask, wanted: status => status === 200, what: url, deadlineMs, askAgainMs: 1000 })
}
