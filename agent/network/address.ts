import { writeFile } from 'node:fs/promises'
import type { Run } from '../system/run.ts'
import { ip } from './ip.ts'

/** What one Ethernet interface is given, by DHCP or by the operator file. */
export type LinkAddress = {
  readonly link: string
  readonly address: string
  readonly prefix: number
  readonly gateway?: string
}

/** Gives the address and the default route; what stood there before is replaced. Throws ProgramError. */
export async function applyAddress(wanted: LinkAddress, run: Run): Promise<void> {
  const { link, address, prefix, gateway } = wanted
  // onlink: some clouds give a /32 and a router that no subnet of the node contains.
  const route = gateway === undefined ? [] : [`route replace default via ${gateway} dev ${link} onlink`]
  await ip(run, [`addr replace ${address}/${prefix} dev ${link}`, ...route])
}

/** Takes the address away; the kernel removes the routes that depended on it. */
export async function removeAddress(wanted: LinkAddress, run: Run): Promise<void> {
  const { link, address, prefix, gateway } = wanted
  if (gateway !== undefined) await run('ip', ['route', 'flush', 'default', 'via', gateway, 'dev', link])
  await run('ip', ['addr', 'del', `${address}/${prefix}`, 'dev', link])
}

/** Writes the file that /etc/resolv.conf of the read-only root links to. */
export async function writeResolvConf(servers: readonly string[], path = '/run/resolv.conf'): Promise<void> {
  const lines = ['options timeout:2 attempts:2', ...servers.slice(0, 3).map(server => `nameserver ${server}`)]
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o644 })
}
