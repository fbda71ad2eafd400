import { clusterView } from '../../../agent/cluster/view.ts'
import t from 'tap'
import { type Machine, newMachine } from '../../../agent/node/machine.ts'
import type { Node } from '../../../agent/node/serve.ts'
import { type End, stopMachine } from '../../../agent/node/stop.ts'
import { signLeaving } from '../../../protocol/cluster/departure.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { sampleEnrollment } from '../unlock/node-samples.ts'
import { memberNode } from './cluster-side.ts'

/** What one part of the node does when it is told to end. */
type Part = 'ends' | 'fails' | 'hangs'
type Parts = { readonly services: Part; readonly data: Part; readonly erase: Part }

/** A machine that has just booted; `did` is what was done to it, `late` what is due when it takes too long. */
function setUp(parts: Partial<Parts> = {}) {
  const { services = 'ends', data = 'ends', erase = 'ends' } = parts
  const did: string[] = []
  const late: (() => void)[] = []
  const act = (what: string, how: Part) => () => {
    did.push(what)
    if (how === 'hangs') return new Promise<never>(() => undefined)
    return how === 'fails' ? Promise.reject(new Error('no')) : Promise.resolve()
  }
  const world = {
    closeData: act('close data', data),
    erase: act('erase', erase),
    end: (how: End) => void did.push(how),
    after: (_ms: number, call: () => void) => void late.push(call),
  }
  const machine = newMachine()
  const running = {
    supervisor: { stopAll: act('stop services', services) },
    logs: new Map([['one', { [Symbol.asyncDispose]: act('close log', 'ends') }]]),
  } as unknown as NonNullable<Node['services']>
  return { machine, world, did, late, running }
}

function enroll(machine: Machine, more: Pick<Node, 'services'> = {}): void {
  const { record } = sampleEnrollment()
  const keepRecord = (next: Node['record']) => Promise.resolve(next)
  const view = clusterView(record)
  machine.node = { machine, record, view, keepRecord, stop: () => undefined, ...more }
}

const inOrder = ['stop services', 'close log', 'close data', 'power-off']
const stopped: readonly (readonly [string, (machine: Machine) => void, readonly string[]])[] = [
  ['a blank node', () => undefined, ['power-off']],
  ['a locked node', enroll, ['power-off']],
  [
    'a node whose services have not started yet',
    machine => {
      enroll(machine)
      machine.dataOpen = true
    },
    ['close data', 'power-off'],
  ],
]
for (const [whose, prepare, wanted] of stopped)
  t.test(`the power button of ${whose}: ${wanted.join(', ')}`, async t => {
    const { machine, world, did } = setUp()
    prepare(machine)
    await stopMachine(machine, 'power-off', world)
    t.same(did, wanted)
    t.equal(machine.state.current().name, 'stopping')
    t.ok(machine.stopping.signal.aborted)
  })

t.test('a node that was enrolled after its power button was set up stops in order', async t => {
  const { machine, world, did, running } = setUp()
  const press = () => stopMachine(machine, 'power-off', world)
  enroll(machine, { services: running })
  machine.dataOpen = true
  await press()
  t.same(did, inOrder)
})

const failing = [
  ['services that cannot be stopped', { services: 'fails' }],
  ['data that cannot be closed', { data: 'fails' }],
] as const
for (const [what, parts] of failing)
  t.test(`nothing is left out for ${what}`, async t => {
    const { machine, world, did, running } = setUp(parts)
    enroll(machine, { services: running })
    machine.dataOpen = true
    await stopMachine(machine, 'power-off', world)
    t.same(did, inOrder)
  })

t.test('what hangs is left behind, and the order that came first counts', async t => {
  const { machine, world, did, late, running } = setUp({ services: 'hangs' })
  enroll(machine, { services: running })
  machine.dataOpen = true
  void stopMachine(machine, 'restart', world)
  await stopMachine(machine, 'power-off', world)
  t.same(did, ['stop services'])
  t.equal(late.length, 1)
  late[0]?.()
  t.same(did, ['stop services', 'restart'])
})

const left = (['ends', 'fails'] as const).map(erase => ({ erase }))
for (const parts of left)
  t.test(`a node that has left destroys what opens its disk, last of all; it ${parts.erase}`, async t => {
    const { machine, world, did, running } = setUp(parts)
    const { node, nodes } = memberNode(2)
    const [own] = nodes
    const facts = { cluster: node.record.cluster, node: own?.nodeId ?? '', at: '2026-11-27T08:00:00Z' }
    const departure = signLeaving(facts, own?.keys.lease.privateKey ?? Buffer.alloc(32))
    await node.view.hear({ membership: { ...noMembers, departures: [departure] }, endpoints: [] })
    machine.node = { ...node, services: running }
    machine.dataOpen = true
    await stopMachine(machine, 'restart', world)
    t.same(did, ['stop services', 'close log', 'close data', 'erase', 'restart'])
  })
