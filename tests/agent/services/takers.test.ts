import t from 'tap'
import { portTakers } from '../../../agent/services/takers.ts'
import { manifest } from './example.ts'

const one = manifest({ name: 'one', uid: 1001, port: 10_100 })
const two = manifest({ name: 'two', uid: 1002, port: 10_102 })
const names = { ...manifest({ name: 'names', uid: 1004, port: 53 }), ports: [] }
names.ports.push({ port: 53, protocol: 'udp', on: 'wireguard' } as never)

const rows = [
  ["another's port is taken", 'tcp', 10_100, 1002, [{ name: 'two', port: 10_100, owner: 'one' }]],
  ["another's port by UDP is taken", 'udp', 53, 1002, [{ name: 'two', port: 53, owner: 'names' }]],
  ["the agent's port is taken", 'tcp', 9998, 1001, [{ name: 'one', port: 9998, owner: 'agent' }]],
  ['its own port is not', 'tcp', 10_100, 1001, []],
  ["a port of nobody's is not", 'tcp', 10_191, 1001, []],
  ['the same number of the other protocol is not', 'udp', 10_100, 1002, []],
  ['the agent takes none', 'tcp', 10_100, 0, []],
  ['who is no service takes none', 'tcp', 10_100, 1900, []],
] as const
for (const [what, protocol, port, uid, takers] of rows)
  t.test(`portTakers(): ${what}`, async t =>
    t.same(portTakers([one, two, names], [{ protocol, port, uid }]), takers),
  )
