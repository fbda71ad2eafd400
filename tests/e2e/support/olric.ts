import { join } from 'node:path'
import type { Site } from './node.ts'
import { servicePasswordOf } from './password.ts'

const program = join(import.meta.dirname, 'resp-program.ts')
const address = '10.0.0.1:10102'

/** Puts a key into a map of the node's Olric. Throws where it does not say OK. */
export async function putKey(
  site: Pick<Site, 'orama' | 'network'>,
  map: string,
  [key, value]: readonly [string, string],
): Promise<void> {
  const [answer] = await commands(site, [['DM.PUT', map, key, value]])
  if (answer !== '+OK') throw new Error(`Cannot put a key into Olric: ${answer ?? 'no answer'}`)
}

/** The value of a key; Olric's error for one that is not there. */
export async function getKey(
  site: Pick<Site, 'orama' | 'network'>,
  map: string,
  key: string,
): Promise<string> {
  const [answer = ''] = await commands(site, [['DM.GET', map, key]])
  return answer.replace(/^\$/, '')
}

/** What Olric answers to commands of somebody who has said this password, or none. */
export async function answers(
  site: Pick<Site, 'network'>,
  password: string | undefined,
  list: readonly (readonly string[])[],
): Promise<string[]> {
  const all = password === undefined ? list : [['AUTH', password], ...list]
  const out = await site.network.exec(process.execPath, [program, address], {
    input: JSON.stringify(all),
    timeoutMs: 60_000,
  })
  return (JSON.parse(out) as string[]).slice(password === undefined ? 0 : 1)
}

async function commands(
  site: Pick<Site, 'orama' | 'network'>,
  list: readonly (readonly string[])[],
): Promise<string[]> {
  return answers(site, await servicePasswordOf(site, 'olric'), list)
}
