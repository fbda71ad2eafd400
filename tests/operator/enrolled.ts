import { playNode } from './node.ts'
import { configFolder, orama } from './support.ts'

type Test = Parameters<typeof playNode>[0] & Parameters<typeof configFolder>[0]

/** A played node that is on file as enrolled, and the setting in which its port 9998 answers. */
export async function enrolled(t: Test, nodeIp = '192.0.2.7', config?: string) {
  const node = await playNode(t)
  const folder = config ?? (await configFolder(t))
  const enroll = ['node', 'enroll', '--genesis', '--node-ip', nodeIp, '--passphrase-fd', '3']
  await orama({ config: folder, ports: { 9999: node.port } }, ...enroll, '--code', node.code)
  return { node, config: folder, setting: { config: folder, ports: { 9998: node.port } } }
}
