import t, { type Test } from 'tap'
import { newTunnel } from '../../../agent/network/tunnel.ts'
import { fakeWireguard } from './fake-wireguard.ts'

const key = (fill: number) => Buffer.alloc(32, fill).toString('base64')
const [old, roamed, moved, tried] = ['192.0.2.1:1', '192.0.2.2:2', '192.0.2.3:3', '192.0.2.4:4']
const startMs = Date.UTC(2026, 10, 27)
const minuteMs = 60_000

/** A node with one peer, which is at `old` and is in touch. */
function setUp(t: Test) {
  const clocks = { bootMs: 1000, nowMs: startMs }
  const net = fakeWireguard(() => clocks.nowMs)
  const here = net.add(key(1), '192.0.2.9:9')
  const there = net.add(key(2), old)
  there.peers.set(key(1), { handshakeS: 0 })
  const folder = t.testdir()
  const of = { run: here.run, bootTimeMs: () => clocks.bootMs, nowMs: () => clocks.nowMs, folder }
  const tunnel = newTunnel(of)
  const peer = { publicKey: key(2), address: '10.0.0.2' }
  const apply = (endpoint?: string) => {
    const config = { privateKey: Buffer.alloc(32), address: '10.0.0.1', prefix: 24, listenPort: 9 }
    return tunnel.apply({ ...config, peers: [{ ...peer, endpoint }] })
  }
  const pass = (ms: number) => {
    clocks.bootMs += ms
    clocks.nowMs += ms
  }
  const where = () => here.peers.get(key(2))?.endpoint
  const aim = (endpoint: string) => tunnel.aim([peer], endpoint)
  const silent = async () => (await tunnel.silent([peer])).length === 1
  return { clocks, here, there, apply, aim, silent, where, pass, tunnel, peer }
}

t.test('an endpoint that was applied is not put over the one that WireGuard has learned', async t => {
  const { here, there, apply, where } = setUp(t)
  await apply(old)
  // It sends nothing now: what is set would stay.
  there.peers.clear()
  here.peers.set(key(2), { endpoint: roamed, handshakeS: startMs / 1000 })
  await apply(old)
  t.equal(where(), roamed)
})

t.test('a newer one is, and any is for a peer that is silent', async t => {
  const { here, there, apply, where, pass } = setUp(t)
  await apply(old)
  there.endpoint = moved
  await apply(moved)
  t.equal(where(), moved, 'newer')
  there.endpoint = undefined
  here.peers.set(key(2), { endpoint: roamed, handshakeS: startMs / 1000 })
  pass(3 * minuteMs)
  await apply(moved)
  t.equal(where(), moved, 'silent')
})

t.test('where the device could not be brought up the endpoint counts as not applied', async t => {
  const { here, peer, where, clocks } = setUp(t)
  let works = false
  const run: typeof here.run = (...call) =>
    works || call[1][0] !== 'syncconf' ? here.run(...call) : Promise.reject(new Error('no such device'))
  const tunnel = newTunnel({
    run,
    bootTimeMs: () => clocks.bootMs,
    nowMs: () => clocks.nowMs,
    folder: t.testdir(),
  })
  here.peers.set(key(2), { endpoint: roamed, handshakeS: startMs / 1000 })
  const config = { privateKey: Buffer.alloc(32), address: '10.0.0.1', prefix: 24, listenPort: 9 }
  const apply = () => tunnel.apply({ ...config, peers: [{ ...peer, endpoint: moved }] })
  await t.rejects(apply(), /no such device/)
  works = true
  await apply()
  t.equal(where(), moved)
})

t.test('the device is brought up once, and again where a change has failed', async t => {
  const { here, peer, clocks } = setUp(t)
  const adds: string[] = []
  let works = true
  const run: typeof here.run = (program, args, options) => {
    if (program === 'ip' && args[1] === 'add') adds.push(args.join(' '))
    if (!works && args[0] === 'syncconf') return Promise.reject(new Error('no such device'))
    return here.run(program, args, options)
  }
  const { bootMs, nowMs } = clocks
  const tunnel = newTunnel({ run, bootTimeMs: () => bootMs, nowMs: () => nowMs, folder: t.testdir() })
  const config = { privateKey: Buffer.alloc(32), address: '10.0.0.1', prefix: 24, listenPort: 9 }
  const apply = () => tunnel.apply({ ...config, peers: [peer] })
  await apply()
  await apply()
  t.equal(adds.length, 1)
  works = false
  await t.rejects(apply(), /no such device/)
  works = true
  await apply()
  t.equal(adds.length, 2)
})

t.test('a peer is silent three minutes after its last handshake, whatever the clock is set to', async t => {
  const { there, apply, silent, pass, clocks } = setUp(t)
  t.equal(await silent(), true, 'one that is not known')
  await apply(old)
  t.equal(await silent(), false)
  there.endpoint = undefined
  clocks.nowMs += 60 * minuteMs
  t.equal(await silent(), false, 'an hour was skipped')
  clocks.nowMs -= 120 * minuteMs
  pass(3 * minuteMs - 1)
  t.equal(await silent(), false)
  pass(1)
  t.equal(await silent(), true)
})

t.test('only who is silent is sent somewhere, and tries at once', async t => {
  const { here, there, apply, aim, where, pass, peer } = setUp(t)
  await apply(old)
  const before = here.calls.length
  t.same(await aim(tried), [])
  t.same([where(), here.calls.length], [old, before])
  there.endpoint = undefined
  pass(3 * minuteMs)
  t.same(await aim(tried), [peer])
  const line = (keepalive: number) =>
    `wg set wg0 peer ${key(2)} endpoint ${tried} persistent-keepalive ${keepalive}`
  t.same(here.calls.slice(before), [line(0), line(25)])
})

for (const [why, endpoint] of [
  ['a name', 'host.example:1'],
  ['a word more', '192.0.2.1:1 x'],
  ['no port', '192.0.2.1'],
] as const)
  t.test(`nobody is sent to what is no endpoint: ${why}`, async t => {
    const { aim, here } = setUp(t)
    await t.rejects(aim(endpoint), /endpoint|port/)
    t.same(here.calls, [])
  })
