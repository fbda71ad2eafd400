import { must, type Site } from './node.ts'

/** The password that the operator has for a service of the node; its user is orama. */
export async function servicePasswordOf(site: Pick<Site, 'orama'>, service: string): Promise<string> {
  return must(await site.orama('node', 'password', '--node-ip', '10.0.0.1', '--service', service)).trim()
}
