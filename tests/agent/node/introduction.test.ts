import t from 'tap'
import { placesOf } from '../../../agent/node/introduction.ts'
import { enrolledSide } from '../../../agent/node/network.ts'
import { newMachine } from '../../../agent/node/machine.ts'
import { signEndpoint } from '../../../protocol/cluster/endpoint.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { cluster } from '../../protocol/cluster/sample.ts'
import { memberNode } from './cluster-side.ts'

const gateways = [
  ['no gateway', undefined, []],
  ['a gateway', 'https://gateway.example/', [{ host: 'gateway.example', port: 443 }]],
  ['a gateway on another port', 'https://192.0.2.2:8443', [{ host: '192.0.2.2', port: 8443 }]],
  ['a gateway that is a node too', 'https://192.0.2.2', [{ host: '192.0.2.2', port: 443 }]],
] as const

for (const [what, gateway, first] of gateways)
  t.test(`placesOf() has the hosts of other members, once; the operator's file names ${what}`, async t => {
    const { node, nodes } = memberNode(4)
    const endpoints = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.3'].map((host, at) => {
      const { nodeId = '', keys } = nodes[at] ?? {}
      const facts = { cluster, node: nodeId, number: 1, endpoint: `${host}:51820` }
      return signEndpoint(facts, keys?.identity.privateKey ?? Buffer.alloc(32))
    })
    await node.view.hear({ membership: noMembers, endpoints })
    const file = { v: 1, ...(gateway === undefined ? {} : { gateway }) } as const
    const machine = { operator: { kind: 'file', file } } as const
    const others = ['192.0.2.2', '192.0.2.3'].map(host => ({ host, port: 443 }))
    const isNode = gateway === 'https://192.0.2.2'
    t.same(placesOf({ ...node, machine }), [...first, ...others.slice(isNode ? 1 : 0)])
  })

t.test('the rules of an enrolled node let the agent call nobody outside unless they are told', async t => {
  const machine = { ...newMachine(), data: { kind: 'enrolled' }, operator: { kind: 'none' } } as const
  const side = { wireguard: { address: '10.0.0.2', prefix: 24, listenPort: 51_820 }, services: [] }
  t.match(enrolledSide(machine, side), { ...side, enrollmentOpen: false, outsideTcp: [] })
  t.same(enrolledSide(machine, { ...side, outsideTcp: [443] }).outsideTcp, [443])
})
