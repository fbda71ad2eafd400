import { randomBytes } from 'node:crypto'
import t from 'tap'
import { carryOut } from '../../../agent/node/acts.ts'
import { clusterView } from '../../../agent/cluster/view.ts'
import { newMachine } from '../../../agent/node/machine.ts'
import type { Node } from '../../../agent/node/serve.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { composeOrder } from '../../../protocol/order.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'
import { manifest } from '../services/example.ts'
import { sampleEnrollment } from '../unlock/node-samples.ts'

const wallet = randomBytes(32)
const record = { ...sampleEnrollment().record, owner: addressOf(publicKeyOf(wallet)) }

function order(service: string) {
  const text = composeOrder({
    node: record.nodeId,
    action: 'seccomp',
    arguments: { mode: 'audit', service },
    number: record.lastOrder + 1,
    expires: formatTime(new Date(Date.now() + 60_000)),
  })
  return { text, signature: signText(text, wallet) }
}

/** A node with the service `one`, and an early one; `did` is what was done to it. */
function setUp() {
  const did: string[] = []
  const note = (what: string) => (name: string, mode?: string) => {
    did.push([what, name, ...(mode === undefined ? [] : [mode])].join(' '))
    return Promise.resolve()
  }
  const services = {
    manifests: [manifest({ name: 'one' }), { ...manifest({ name: 'dawn' }), early: true }],
    supervisor: {
      restart: note('restart'),
      stop: note('stop'),
      start: note('start'),
    },
    seccomp: { set: note('seccomp') },
  } as unknown as NonNullable<Node['services']>
  const node: Node = {
    machine: { ...newMachine(), dataOpen: true },
    record,
    view: clusterView(record),
    services,
    keepRecord: async next => {
      did.push(`store ${next.lastOrder}`)
      return next
    },
    stop: how => void did.push(how),
  }
  return { node, did }
}

const carried = [
  [{ action: 'restart', service: 'one' }, ['restart one']],
  [{ action: 'stop', service: 'one' }, ['stop one']],
  [{ action: 'start', service: 'one' }, ['start one']],
  [{ action: 'reboot' }, ['restart']],
  [{ action: 'seccomp', service: 'one', mode: 'enforce' }, ['seccomp one enforce']],
  [
    { action: 'seccomp', service: 'one', mode: 'audit', order: order('one') },
    ['store 1', 'seccomp one audit'],
  ],
] as const
for (const [command, wanted] of carried)
  t.test(`${command.action}: ${wanted.join(', ')}`, async t => {
    const { node, did } = setUp()
    await carryOut(node, command)
    t.same(did, wanted)
  })

const refused = [
  ['a service that is none', { action: 'restart', service: 'ghost' }, 404],
  ['a name of every object', { action: 'restart', service: 'constructor' }, 404],
  ['no service', { action: 'stop' }, 400],
  ['what this version does not do', { action: 'leave' }, 403],
  ['what this version does not do either', { action: 'update' }, 403],
  ['a mode for a restart', { action: 'restart', service: 'one', mode: 'audit' }, 400],
  ['an order for a restart', { action: 'restart', service: 'one', order: order('one') }, 400],
  ['a mode for a reboot', { action: 'reboot', mode: 'enforce' }, 400],
  ['seccomp without mode', { action: 'seccomp', service: 'one' }, 400],
  ['seccomp without service', { action: 'seccomp', mode: 'enforce' }, 400],
  ['a weaker sandbox without an order', { action: 'seccomp', service: 'one', mode: 'audit' }, 403],
  [
    'a weaker sandbox by an order for another service',
    { action: 'seccomp', service: 'one', mode: 'audit', order: order('two') },
    403,
  ],
  [
    'a weaker sandbox of a service that is none, and the order stays unused',
    { action: 'seccomp', service: 'ghost', mode: 'audit', order: order('ghost') },
    404,
  ],
] as const
for (const [why, command, status] of refused)
  t.test(`refused with ${status}, and nothing done: ${why}`, async t => {
    const { node, did } = setUp()
    await t.rejects(carryOut(node, command), { name: 'HttpError', status })
    t.same(did, [])
  })

t.test('who may not weaken a sandbox is told what is missing', async t => {
  const { node } = setUp()
  await t.rejects(carryOut(node, { action: 'seccomp', service: 'one', mode: 'audit' }), {
    name: 'HttpError',
    message: /needs an order signed by the owner/,
  })
})

t.test('a node that stops starts nothing', async t => {
  const { node, did } = setUp()
  node.machine.state.become('stopping')
  for (const action of ['restart', 'start'] as const)
    await t.rejects(carryOut(node, { action, service: 'one' }), { name: 'HttpError', status: 409 })
  t.same(did, [])
})

t.test('while the disk is closed only what is early is commanded', async t => {
  const { node, did } = setUp()
  node.machine.dataOpen = false
  for (const action of ['restart', 'start', 'stop'] as const) {
    const refusal = { name: 'HttpError', status: 409, message: /waits for the disk/ }
    await t.rejects(carryOut(node, { action, service: 'one' }), refusal)
  }
  await carryOut(node, { action: 'restart', service: 'dawn' })
  t.same(did, ['restart dawn'])
})

t.test('before the services run there is nothing to command', async t => {
  const { node } = setUp()
  delete node.services
  await t.rejects(carryOut(node, { action: 'restart', service: 'one' }), { name: 'HttpError', status: 409 })
})
