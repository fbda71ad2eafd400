import { dns } from '../system/late.ts'
import { isHostAddress } from '../../protocol/ipv4.ts'

/** Of one try of one server. */
const answerMs = 2000
const tries = 2
const addressesMax = 4

/**
 * The IPv4 addresses of a host name, four at most, or an address as it is. By the servers that /etc/resolv.conf has
 * now, and not by getaddrinfo(3), which holds one of the threads that read files for as long as no server answers.
 * Throws Error where there are none. What it says is believed no more than a network: WireGuard knows its peers by key.
 */
export async function resolveHost(host: string): Promise<readonly string[]> {
  if (isHostAddress(host)) return [host]
  const { Resolver } = dns()
  const found = await new Resolver({ timeout: answerMs, tries }).resolve4(host)
  return found.filter(isHostAddress).slice(0, addressesMax)
}
