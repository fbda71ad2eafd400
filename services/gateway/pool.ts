import { formatIpv4, parseIpv4 } from '../../protocol/ipv4.ts'
import type { Network } from './access.ts'
import type { Pool } from './registry/addresses.ts'

/** The whole network but its last host: there a genesis puts the peer of its operator. */
export function poolOf({ address, prefix }: Network): Pool {
  const size = 2 ** (32 - prefix)
  const own = parseIpv4(address) ?? NaN
  const base = own - (own % size)
  return { network: formatIpv4(base), prefix, reserved: [formatIpv4(base + size - 2)] }
}
