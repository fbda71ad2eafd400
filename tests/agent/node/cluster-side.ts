import { spreadNews } from '../../../agent/cluster/spread.ts'
import type { Ask } from '../../../agent/shares/ask.ts'
import { clusterView } from '../../../agent/cluster/view.ts'
import type { Node } from '../../../agent/node/serve.ts'
import { newMachine } from '../../../agent/node/machine.ts'
import { toBase64url } from '../../../protocol/fields.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  type TestNode,
} from '../../protocol/cluster/sample.ts'
import { sampleRecord } from '../unlock/node-samples.ts'

const unreachable = () => Promise.reject(new Error('no route'))

/** The first of so many members, as its commands see it; the others cannot be reached, or answer like this. */
export function memberNode(count: number, more: Partial<NodeRecord> = {}, ask: Ask = unreachable) {
  const nodes = Array.from({ length: count }, newNode)
  const members = nodes.map((node, at) =>
    at === 0 ? genesisRecord({ node }) : joinRecord({ node, address: `10.0.0.${at + 1}` }),
  )
  const [own] = nodes as [TestNode]
  const record: NodeRecord = {
    ...sampleRecord('00000000-0000-4000-8000-000000000000'),
    ...{ nodeId: own.nodeId, hello: own.hello, cluster, authority: authority.address },
    identityPrivate: toBase64url(own.keys.identity.privateKey),
    membership: { members, departures: [] },
    ...more,
  }
  const view = clusterView(record)
  const log: string[] = []
  const did: string[] = []
  const spread = spreadNews({
    view,
    own: own.nodeId,
    ask,
    onChange: () => Promise.resolve(void did.push('news')),
    log: line => log.push(line),
    random: () => 0,
  })
  const node: Node = {
    machine: { ...newMachine(), dataOpen: true },
    record,
    view,
    spread,
    keepRecord: next => {
      did.push(`store ${next.lastOrder}`)
      return Promise.resolve(next)
    },
    stop: how => void did.push(how),
  }
  return { node, nodes, log, did }
}
