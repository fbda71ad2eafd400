import * as z from 'zod'
import type { Site } from './node.ts'
import { servicePasswordOf } from './password.ts'

type Place = Pick<Site, 'orama' | 'network'>

/** Adds a file of this text to the node's kubo, pinned. Returns its CID. */
export async function addFile(site: Place, text: string): Promise<string> {
  const form = `form = "file=${text.replace(/["\\]/g, '\\$&')};filename=file"\n`
  const answer = await call(site, 'add?cid-version=1&pin=true', form)
  return z.object({ Hash: z.string() }).parse(JSON.parse(answer)).Hash
}

/** The content behind a CID, from this node or from its peers. */
export async function catFile(site: Place, cid: string): Promise<string> {
  return call(site, `cat?arg=${cid}`)
}

/** HTTP status of a call without a password, or with a wrong one. */
export async function statusWithout(
  site: Pick<Site, 'network'>,
  path: string,
  user?: string,
): Promise<string> {
  const flags = ['-s', '-m', '30', '-o', '/dev/null', '-w', '%{http_code}', '-X', 'POST', '-K', '-']
  return site.network.exec('curl', [...flags, url(path)], {
    input: user === undefined ? '' : `user = "${user}"\n`,
  })
}

async function call(site: Place, path: string, more = ''): Promise<string> {
  const password = await servicePasswordOf(site, 'kubo')
  const flags = ['-sf', '-m', '60', '-X', 'POST', '-K', '-']
  return site.network.exec('curl', [...flags, url(path)], {
    input: `user = "orama:${password}"\n${more}`,
    timeoutMs: 90_000,
  })
}

function url(path: string): string {
  return `http://10.0.0.1:4101/api/v0/${path}`
}
