import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  bringUpLinks,
  followCarrier,
  type Link,
  listLinks,
  type LinkWorld,
  planStatic,
} from '../../../agent/network/links.ts'
import { commandsOf } from './fake-ip.ts'

const eth0: Link = { name: 'eth0', mac: '52:54:00:00:00:01', carrier: false }
const eth1: Link = { name: 'eth1', mac: '52:54:00:00:00:02', carrier: true }
const network = { address: '1.2.3.4/24', gateway: '1.2.3.1', dns: [] }

t.test('listLinks() finds Ethernet interfaces of devices, and no others', async t => {
  const folder = t.testdir({ device: '' })
  const add = (name: string, { type = '1', device = true, carrier = '1' } = {}) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'type'), `${type}\n`)
    writeFileSync(join(folder, name, 'address'), '52:54:00:00:00:01\n')
    if (carrier !== '') writeFileSync(join(folder, name, 'carrier'), `${carrier}\n`)
    if (device) symlinkSync('../device', join(folder, name, 'device'))
  }
  add('lo', { type: '772', device: false })
  add('wg0', { type: '65534', device: false })
  add('br0', { device: false })
  add('eth0')
  add('eth1', { carrier: '0' })
  add('eth2', { carrier: '' })
  t.same(
    (await listLinks(folder)).map(l => `${l.name} ${String(l.carrier)}`),
    ['eth0 true', 'eth1 false', 'eth2 false'],
  )
})

/** Links whose carrier comes after so many looks, by name; without a number never. */
function fakeWorld(links: readonly Link[], carrierAfter: Readonly<Record<string, number>> = {}) {
  const commands: string[] = []
  let looks = 0
  let sleptMs = 0
  const world: LinkWorld = {
    run: async (program, args, options) => {
      commands.push(...commandsOf(program, args, options))
      return ''
    },
    list: async () => {
      looks++
      return links.map(link => ({ ...link, carrier: looks > (carrierAfter[link.name] ?? Infinity) }))
    },
    sleep: async ms => (sleptMs += ms),
  }
  return { world, commands, slept: () => sleptMs }
}

t.test('bringUpLinks() waits for the first carrier', async t => {
  const { world, commands, slept } = fakeWorld([eth0], { eth0: 5 })
  t.same(await bringUpLinks(world), [{ ...eth0, carrier: true }])
  t.same(commands, ['ip link set lo up', 'ip link set eth0 up'])
  t.equal(slept(), 800)
})

t.test('bringUpLinks() gives up waiting after 10 s', async t => {
  const { world, slept } = fakeWorld([eth0])
  t.same(await bringUpLinks(world), [eth0])
  t.equal(slept(), 10_000)
})

const later = [
  ['no interface has a carrier yet', [eth0], {}],
  ['another interface has its carrier first', [eth0, eth1], { eth1: 1 }],
] as const
for (const [why, links, carrierAfter] of later)
  t.test(`a static address is not lost where ${why}`, async t => {
    const { world } = fakeWorld(links, carrierAfter)
    t.equal(planStatic({ ...network, interface: 'eth0' }, await bringUpLinks(world)).link, 'eth0')
  })

t.test('bringUpLinks() says when there is no interface', async t =>
  t.rejects(bringUpLinks(fakeWorld([]).world), { message: 'Cannot find an Ethernet interface' }),
)

const planned = [
  ['the first link with a carrier', {}, 'eth1'],
  ['the link of that name', { interface: 'eth0' }, 'eth0'],
  ['the link of that hardware address', { interface: '52:54:00:00:00:01' }, 'eth0'],
  ['a hardware address in capitals', { interface: '52:54:00:00:00:02'.toUpperCase() }, 'eth1'],
] as const
for (const [why, change, link] of planned)
  t.test(`a static address goes to ${why}`, async t =>
    t.same(planStatic({ ...network, ...change }, [eth0, eth1]), {
      link,
      address: '1.2.3.4',
      prefix: 24,
      gateway: '1.2.3.1',
    }),
  )

t.test('where no link has a carrier yet, the first one is taken', async t =>
  t.equal(planStatic(network, [eth0]).link, 'eth0'),
)

const given = { link: 'eth0', address: '1.2.3.4', prefix: 24, gateway: '1.2.3.1' }
const toEth1 = [
  'ip route flush default via 1.2.3.1 dev eth0',
  'ip addr del 1.2.3.4/24 dev eth0',
  'ip addr replace 1.2.3.4/24 dev eth1',
  'ip route replace default via 1.2.3.1 dev eth1 onlink',
]
const followed = [
  ['moves to the link that gets its carrier, however late', { eth1: 500 }, 'eth1', toEth1],
  ['stays where its link gets the carrier', { eth0: 500 }, 'eth0', []],
  ['stays where both get it', { eth0: 500, eth1: 500 }, 'eth0', []],
] as const
for (const [what, carrierAfter, link, wanted] of followed)
  t.test(`an address for no named interface ${what}`, async t => {
    const { world, commands } = fakeWorld([eth0, eth1], carrierAfter)
    t.same(await followCarrier(world, given, new AbortController().signal), { ...given, link })
    t.same(commands, wanted)
  })

t.test('a node that stops looks for no carrier', async t => {
  const { world, commands } = fakeWorld([eth0, eth1])
  t.same(await followCarrier(world, given, AbortSignal.abort()), given)
  t.same(commands, [])
})

t.test('an address that cannot be taken from its first link is given to the other all the same', async t => {
  const { world, commands } = fakeWorld([eth0, eth1], { eth1: 1 })
  const run: typeof world.run = async (program, args, options) => {
    if (args.includes('flush')) throw new Error('No such device')
    return world.run(program, args, options)
  }
  await followCarrier({ ...world, run }, given, new AbortController().signal)
  t.same(commands, toEth1.slice(2))
})

const refused = [
  ['a name that is not there', { interface: 'eth7' }],
  ['no prefix', { address: '1.2.3.4' }],
  ['a prefix of 0', { address: '1.2.3.4/0' }],
  ['a prefix of 33', { address: '1.2.3.4/33' }],
  ['a loopback address', { address: '127.0.0.1/8' }],
  ['a gateway that is none', { gateway: '1.2.3' }],
] as const
for (const [why, change] of refused)
  t.test(`planStatic() refuses: ${why}`, async t =>
    t.throws(() => planStatic({ ...network, ...change }, [eth0, eth1]), { name: 'RangeError' }),
  )
