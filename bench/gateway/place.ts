import { type Certificate, deriveCertificate } from '../../services/gateway/certificate.ts'
import { gatewayKeyBytes } from '../../services/gateway/keys.ts'
import { cluster } from '../../tests/protocol/cluster/sample.ts'

/** What the measured gateway and all that is compared with it have alike, in whichever process. */
export const gatewayKey = Buffer.alloc(gatewayKeyBytes, 1)
export const serverName = 'gateway.bench'
/** The cluster's network, on loopback. */
export const network = { address: '127.0.9.1', prefix: 24 }
/** The node whose agent is asked through the gateway, and its agent's port. */
export const agentPlace = { host: '127.0.9.2', port: 9998 }

/** The same in each process: it is derived. */
export function benchCertificate(): Promise<Certificate> {
  const facts = { cluster, from: '2026-11-21T08:00:00Z', names: [serverName], addresses: [] }
  return deriveCertificate(gatewayKey, facts)
}
