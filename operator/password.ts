import { servicePassword } from '../protocol/cluster-secret.ts'
import { fromBase64url } from '../protocol/fields.ts'
import { required } from './command.ts'
import type { Command } from './command.ts'
import { findNode, genesisOnly, nodeOptions } from './node-file.ts'

export const nodePassword: Command = {
  help: "print the password of a service in a node's cluster; its user is orama",
  options: { ...nodeOptions, service: { help: 'the service, such as rqlite', value: 'NAME' } },
  examples: ['orama node password --node-ip 10.0.0.1 --service rqlite'],
  async run(world, input) {
    const service = required(input, 'service')
    const node = genesisOnly(await findNode(world, input), {
      what: 'cluster secret',
      hint: "Passwords are made of it: ask the authority of the cluster, who has the genesis' file",
    })
    const password = servicePassword(fromBase64url(node.clusterSecret), service)
    return { json: { service, user: 'orama', password }, text: password }
  },
}
