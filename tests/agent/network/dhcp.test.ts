import t from 'tap'
import { type DhcpLease, type DhcpWorld, keepAddress } from '../../../agent/network/dhcp.ts'
import type { DhcpReply } from '../../../agent/network/dhcp-message.ts'
import { commandsOf } from './fake-ip.ts'

const terms = {
  address: '192.168.1.77',
  prefix: 24,
  serverId: '192.168.1.1',
  routers: ['192.168.1.1'],
  dns: [],
  ntp: [],
  leaseS: 3600,
  renewS: 1800,
  rebindS: 3150,
}
const offer: DhcpReply = { kind: 'offer', ...terms }
const ack: DhcpReply = { kind: 'ack', ...terms }
const nak: DhcpReply = { kind: 'nak', serverId: terms.serverId }

type Asked = { readonly what: string; readonly to: string; readonly link: string; readonly atS: number }

/**
 * A world in which time passes only by waiting. `script` has what the network answers to each question in turn;
 * when it is at its end the client is told to stop. Between `silentS` nobody answers; links have a carrier from
 * `carrierS` on.
 */
function fakeWorld(
  script: readonly (readonly DhcpReply[])[],
  links = ['eth0'],
  { silentS = [0, 0], carrierS = 0 }: { silentS?: readonly [number, number]; carrierS?: number } = {},
) {
  const stop = new AbortController()
  const asked: Asked[] = []
  const commands: string[] = []
  const changes: (DhcpLease | undefined)[] = []
  let nowMs = 0
  let step = 0
  const kindOf = (message: Buffer) =>
    ['', 'discover', '', 'request', '', '', '', 'release'][message[242] ?? 0] ?? ''
  const world: DhcpWorld = {
    exchange: async question => {
      asked.push({
        what: kindOf(question.message),
        to: question.to,
        link: question.link,
        atS: Math.round(nowMs / 1000),
      })
      const silent = nowMs / 1000 >= silentS[0] && nowMs / 1000 < silentS[1]
      const replies = silent ? [] : script[step++]
      if (replies === undefined) stop.abort()
      for (const reply of replies ?? []) {
        const answer = question.accept(reply)
        if (answer !== undefined) return answer
      }
      nowMs += question.timeoutMs
      return undefined
    },
    tell: async (link, message, to) =>
      void asked.push({ what: kindOf(message), to, link, atS: Math.round(nowMs / 1000) }),
    run: async (program, args, options) => {
      commands.push(...commandsOf(program, args, options))
      return ''
    },
    links: async () =>
      links.map(name => ({ name, mac: '52:54:00:12:34:56', carrier: nowMs >= carrierS * 1000 })),
    nowMs: () => nowMs,
    sleep: async (ms, signal) => {
      if (step >= script.length) stop.abort()
      signal.throwIfAborted()
      nowMs += ms
    },
    random: () => 0.5,
    log: () => undefined,
  }
  const done = keepAddress(world, { signal: stop.signal, onChange: lease => changes.push(lease) })
  return { done, asked, commands, changes }
}

t.test('offer, acknowledgement, address, route; stopped: released and removed', async t => {
  const world = fakeWorld([[offer], [ack]])
  await world.done
  t.same(
    world.asked.map(q => `${q.what} ${q.to}`),
    ['discover 255.255.255.255', 'request 255.255.255.255', 'release 192.168.1.1'],
  )
  t.same(world.commands, [
    'ip addr replace 192.168.1.77/24 dev eth0',
    'ip route replace default via 192.168.1.1 dev eth0 onlink',
    'ip route flush default via 192.168.1.1 dev eth0',
    'ip addr del 192.168.1.77/24 dev eth0',
  ])
  t.same(
    world.changes.map(lease => lease?.address),
    ['192.168.1.77', undefined],
  )
})

t.test(
  'nobody answers: it asks again, with growing pauses of at most half a minute, on each link',
  async t => {
    const world = fakeWorld(
      Array.from({ length: 20 }, () => []),
      ['eth0', 'eth1'],
    )
    await world.done
    t.same(new Set(world.asked.map(q => q.link)), new Set(['eth0', 'eth1']))
    const pauses = world.asked.slice(1).map((q, index) => q.atS - (world.asked[index]?.atS ?? 0))
    t.same(pauses.slice(0, 6), [2, 2, 4, 4, 8, 8])
    t.ok(pauses.every(pause => pause <= 32))
    t.same(world.changes, [])
  },
)

for (const carrierS of [11, 3600])
  t.test(`a link that gets its carrier after ${carrierS} s gets a lease within seconds of it`, async t => {
    const world = fakeWorld([[offer], [ack]], ['eth0'], { carrierS })
    await world.done
    t.equal(world.changes[0]?.address, '192.168.1.77')
    const [first] = world.asked
    t.ok(first !== undefined && first.atS >= carrierS && first.atS <= carrierS + 2)
  })

t.test('a refused request starts over with a pause', async t => {
  const world = fakeWorld([[offer], [nak], [offer], [ack]])
  await world.done
  t.same(
    world.asked.map(q => q.what),
    ['discover', 'request', 'discover', 'request', 'release'],
  )
  t.ok((world.asked[2]?.atS ?? 0) >= 1)
})

const wrongAnswers = [
  ['another address than offered', { ...ack, address: '192.168.1.78' }],
  ['another server', { ...ack, serverId: '192.168.1.2' }],
  ['a refusal by another server', { ...nak, serverId: '192.168.1.2' }],
] as const
for (const [why, answer] of wrongAnswers)
  t.test(`an acknowledgement is passed over: ${why}`, async t => {
    const world = fakeWorld([[offer], [answer, ack]])
    await world.done
    t.same(
      world.changes.map(lease => lease?.address),
      ['192.168.1.77', undefined],
    )
  })

t.test('at T1 it asks its own server, and a renewal changes nothing', async t => {
  const world = fakeWorld([[offer], [ack], [ack]])
  await world.done
  t.match(world.asked[2], { what: 'request', to: '192.168.1.1', atS: 1800 })
  t.same(
    world.changes.map(lease => lease?.address),
    ['192.168.1.77', undefined],
  )
})

t.test('at T2 it asks everybody, at the end the address goes and the search begins anew', async t => {
  const world = fakeWorld([[offer], [ack], [offer], [ack]], ['eth0'], { silentS: [1800, 3600] })
  await world.done
  const unicast = world.asked.filter(q => q.to === terms.serverId && q.what === 'request')
  const rebinding = world.asked.filter(
    q => q.to !== terms.serverId && q.what === 'request' && q.atS > 0 && q.atS < 3600,
  )
  t.ok(unicast.length >= 3 && unicast.every(q => q.atS >= 1800 && q.atS < 3150))
  t.ok(rebinding.length >= 2 && rebinding.every(q => q.atS >= 3150))
  t.same(
    world.changes.map(lease => lease?.address),
    ['192.168.1.77', undefined, '192.168.1.77', undefined],
  )
  t.ok(world.commands.includes('ip addr del 192.168.1.77/24 dev eth0'))
})

t.test('a refusal to renew takes the address away at once', async t => {
  const world = fakeWorld([[offer], [ack], [nak], [offer], [ack]])
  await world.done
  t.same(
    world.changes.map(lease => lease?.address),
    ['192.168.1.77', undefined, '192.168.1.77', undefined],
  )
  t.match(world.asked[3], { what: 'discover', atS: 1800 })
})

t.test('a refusal to renew by a server that was not asked is passed over', async t => {
  const world = fakeWorld([[offer], [ack], [{ ...nak, serverId: '192.168.1.66' }, ack]])
  await world.done
  t.same(
    world.asked.map(q => q.what),
    ['discover', 'request', 'request', 'release'],
  )
  t.same(
    world.changes.map(lease => lease?.address),
    ['192.168.1.77', undefined],
  )
})

t.test('another address at the renewal replaces the old one and is told', async t => {
  const world = fakeWorld([[offer], [ack], [{ ...ack, address: '192.168.1.99' }]])
  await world.done
  t.same(
    world.changes.map(lease => lease?.address),
    ['192.168.1.77', '192.168.1.99', undefined],
  )
  t.same(world.commands.slice(2, 5), [
    'ip route flush default via 192.168.1.1 dev eth0',
    'ip addr del 192.168.1.77/24 dev eth0',
    'ip addr replace 192.168.1.99/24 dev eth0',
  ])
})
