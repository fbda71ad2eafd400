import { join } from 'node:path'
import type { Site } from './node.ts'

const program = join(import.meta.dirname, 'dns-program.ts')

/** What the node's CoreDNS says to somebody on the test network: addresses, or the error (`ENOTFOUND`, `EREFUSED`). */
export async function lookUp(
  { network }: Pick<Site, 'network'>,
  name: string,
  server = '10.0.0.1',
): Promise<string> {
  return (await network.exec(process.execPath, [program, server, name])).trim()
}
