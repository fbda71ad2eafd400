import { gatewayName } from '../../../services/gateway/certificate.ts'
import { must, type Site } from './node.ts'

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
