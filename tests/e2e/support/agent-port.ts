import type { Site } from './node.ts'
import { nodeFile } from './wallet-file.ts'

export type Said = { readonly status: number; readonly body: unknown }

/** Posts a body to port 9998 of the site's enrolled node, with its agent's token, which is right. */
export async function postToAgent(site: Site, path: string, body: unknown): Promise<Said> {
  const { enrolled } = await nodeFile(site)
  // By a configuration file alone, quoted as JSON: so nothing of it is an argument.
  const config = [
    `header = "Authorization: Bearer ${enrolled?.agentToken ?? ''}"`,
    `data = ${JSON.stringify(JSON.stringify(body))}`,
  ]
  const flags = ['-s', '-m', '60', '-w', '\n%{http_code}', '-K', '-', `http://10.0.0.1:9998${path}`]
  const text = await site.network.exec('curl', flags, { input: config.join('\n'), timeoutMs: 70_000 })
  const end = text.lastIndexOf('\n')
  return { status: Number(text.slice(end)), body: JSON.parse(text.slice(0, end)) }
}
