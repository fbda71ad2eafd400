import type { Site } from './node.ts'
import { servicePasswordOf } from './password.ts'

/**
 * Runs one SQL statement on the node's rqlite, with the password that the operator has. Returns its JSON. `strong`
 * reads what all acknowledged writes have left; `weak` may miss the last ones while rqlite starts.
 */
export async function query(site: Site, sql: string, level: 'weak' | 'strong' = 'weak'): Promise<string> {
  const password = await servicePasswordOf(site, 'rqlite')
  const url = `http://10.0.0.1:10100/db/request?pretty&level=${level}`
  const flags = ['-sf', '-m', '30', '-K', '-', '-H', 'Content-Type: application/json']
  return site.network.exec('curl', [...flags, '-d', JSON.stringify([sql]), url], {
    input: `user = "orama:${password}"\n`,
  })
}
