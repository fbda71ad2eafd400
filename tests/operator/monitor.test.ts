import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { realWorld } from '../../operator/world.ts'
import { closeHttp } from '../../http/server.ts'
import { someNodeId } from '../protocol/cluster/sample.ts'
import { answer } from './node.ts'
import { proxied, statusAnswer } from './proxied.ts'
import { orama } from './support.ts'
import type { Setting } from './support.ts'

const line = ['monitor', 'report', '--env', 'home', '--passphrase-fd', '3']
const epoch = `3-${'ab'.repeat(16)}`
const guardians = [1, 2, 3, 4, 5].map(at => ({ nodeId: someNodeId(at), reachable: at !== 2 }))
const shares = { mode: 'shares', epoch, threshold: 3, guardians, members: 6 }

t.test('a report has a row for each node, also for one that is away', async t => {
  const { node, away, setting } = await proxied(t, statusAnswer({ shares }))
  const ran = await orama(setting, ...line)
  t.equal(ran.code, 0, ran.err)
  const [head, first, second] = ran.out.split('\n')
  t.match(head, /^node +address +state +version +slot +services +epoch +shares +last seen$/)
  t.match(first, new RegExp(`^${away.nodeId} +127\\.0\\.0\\.2 +the node cannot be reached( +-){6}$`))
  const facts = 'ready +0\\.1\\.0 +A +1/1 +3 +3 of 5, 4 reachable +2026-11-21T08:01:00Z'
  t.match(second, new RegExp(`^${node.nodeId} +127\\.0\\.0\\.1 +${facts}$`))
})

t.test('the next report still tells when a node that is away was seen', async t => {
  const { node, config, setting } = await proxied(t, statusAnswer())
  t.equal((await orama(setting, ...line)).code, 0)
  node.behaviour.answers = { 'GET /v1/agent/status': answer(503, { error: 'stopping' }) }
  const later = { ...setting, now: new Date('2026-11-21T08:06:00Z') }
  const row = new RegExp(`^${node.nodeId} .* stopping .* 2026-11-21T08:01:00Z$`, 'm')
  t.match((await orama(later, ...line)).out, row)
  const seen = join(config, 'seen', 'home.json')
  t.equal((await stat(seen)).mode & 0o777, 0o600)
  const kept = JSON.parse(await readFile(seen, 'utf8')) as object
  t.match(kept, { nodes: { [node.nodeId]: '2026-11-21T08:01:00Z' } })
  for (const damaged of ['{', JSON.stringify({ ...kept, cluster: '0b'.repeat(16) })]) {
    await writeFile(seen, damaged)
    t.match((await orama(later, ...line)).out, / stopping( +-){6} *$/m)
  }
})

t.test('a report tells what a node waits for, and what is to be mended', async t => {
  const liar = `${someNodeId(2)} gave a wrong share`
  const facts = {
    state: 'waiting-for-peers',
    waitingFor: 'two peers',
    shares: { ...shares, trouble: [liar] },
  }
  const { node, setting } = await proxied(t, statusAnswer(facts))
  const { out } = await orama(setting, ...line)
  t.match(out, new RegExp(`\n${node.nodeId}: waiting for two peers\n${node.nodeId}: ${liar}\n$`))
})

const shown: readonly (readonly [string, object, RegExp])[] = [
  ['a node that says nothing of shares', {}, / - +- +2026/],
  ['one whose owner has its secret', { shares: { mode: 'escrow', members: 1 } }, / - +escrow +2026/],
  ['services that are not ready', { services: {} }, / 0\/0 /],
  ['a state', { state: 'waiting-for-peers' }, /waiting-for-peers/],
]

for (const [what, changes, row] of shown)
  t.test(`a report shows ${what}`, async t => {
    const { nodes, setting } = await proxied(t, statusAnswer(changes))
    nodes.shift()
    t.match((await orama(setting, ...line)).out, row)
  })

t.test('a node that answers nonsense, or refuses, is a row, without escape sequences', async t => {
  const rows = [
    [answer(200, { state: 'happy' }), /Cannot understand the answer/],
    [answer(403, { error: 'no \u001b[2Jtoken' }), /no \ufffd\[2Jtoken/],
  ] as const
  for (const [said, row] of rows) {
    const { setting } = await proxied(t, { 'GET /v1/agent/status': said })
    const ran = await orama(setting, ...line)
    t.equal(ran.code, 0)
    t.match(ran.out, row)
  }
})

t.test('--strict is exit code 1 unless all are ready, and prints the same', async t => {
  const { nodes, setting } = await proxied(t, statusAnswer())
  const short = await orama(setting, ...line, '--strict', '--json')
  t.equal(short.code, 1)
  t.match(JSON.parse(short.out), {
    ready: false,
    nodes: [{ trouble: /reached/ }, { status: { state: 'ready' } }],
  })
  nodes.shift()
  t.equal((await orama(setting, ...line, '--strict')).code, 0)
  nodes.shift()
  t.equal((await orama(setting, ...line, '--strict')).code, 1, 'a cluster without nodes is not ready')
})

t.test('more nodes than are asked at once all have a row, in order', async t => {
  const { node, nodes, setting } = await proxied(t, statusAnswer())
  const [one] = nodes.splice(0).slice(-1)
  for (let at = 0; at < 20; at++) if (one !== undefined) nodes.push({ ...one, nodeId: someNodeId(at) })
  const ran = await orama(setting, ...line, '--json')
  const { nodes: rows } = JSON.parse(ran.out) as { nodes: { nodeId: string; status?: object }[] }
  t.same(
    rows.map(({ nodeId }) => nodeId),
    nodes.map(({ nodeId }) => nodeId),
  )
  t.ok(rows.every(({ status }) => status !== undefined))
  t.equal(node.requests.length, 20)
})

t.test('who asks for too many nodes at once waits, and all have a row', async t => {
  const { node, setting } = await proxied(t, statusAnswer())
  let refused = 0
  const good = node.behaviour.answers?.['GET /v1/agent/status']
  node.behaviour.answers = {
    'GET /v1/agent/status': (...asked) =>
      (refused++ < 3 ? answer(429, { error: 'too many requests' }) : (good ?? answer(500, {})))(...asked),
  }
  let waits = 0
  const later: NonNullable<Setting['world']>['later'] = (delayMs, act) => {
    if (delayMs !== 1500) return () => undefined
    waits++
    setImmediate(act)
    return () => undefined
  }
  const ran = await orama({ ...setting, world: { later } }, ...line)
  t.match(ran.out, new RegExp(`^${node.nodeId} .* ready `, 'm'))
  t.equal(waits, 3)
})

t.test('a gateway that is down, or takes no token, is an error', async t => {
  const { config, setting } = await proxied(t, statusAnswer())
  t.equal((await orama({ config }, ...line)).code, 4)
  t.equal((await orama(setting, ...line)).code, 0)
})

/** A world in which time passes as soon as somebody waits, until `turns` waits; then comes SIGINT. */
function hurried(turns: number, between: () => void | Promise<void> = () => undefined) {
  const state = { interrupt: (): void => undefined, waits: 0, listeners: 0 }
  const world: Setting['world'] = {
    onInterrupt: act => {
      state.interrupt = act
      state.listeners++
      return () => state.listeners--
    },
    later: (delayMs, act) => {
      if (delayMs !== 5000) return () => undefined
      state.waits++
      const next = async () => {
        await between()
        if (state.waits === turns) state.interrupt()
        else act()
      }
      void next()
      return () => undefined
    },
  }
  return { state, world }
}

t.test('--watch reports again and again until SIGINT, in plain lines where nobody reads', async t => {
  const { setting } = await proxied(t, statusAnswer())
  const { state, world } = hurried(3)
  const ran = await orama({ ...setting, world }, ...line, '--watch', '--strict')
  t.equal(ran.code, 1, ran.err)
  t.equal(ran.out.match(/^node /gm)?.length, 3)
  t.notMatch(ran.out, '\u001b')
  t.equal(state.listeners, 0, 'nothing listens any more')
})

t.test('--watch draws anew on a terminal, and --json prints a line each time', async t => {
  const { setting } = await proxied(t, statusAnswer())
  const drawn = await orama(
    { ...setting, world: { ...hurried(2).world, isOutTerminal: true } },
    ...line,
    '--watch',
  )
  t.equal(drawn.out.split('\u001b[H\u001b[2J').length, 3)
  const ran = await orama({ ...setting, world: hurried(2).world }, ...line, '--watch', '--json')
  const lines = ran.out.trim().split('\n')
  t.equal(lines.length, 3)
  t.match(JSON.parse(lines[0] ?? ''), { ready: false })
})

t.test('--watch lives on when the gateway goes, and remembers when nodes were seen', async t => {
  const { node, gateway, setting } = await proxied(t, statusAnswer())
  const goes = hurried(2, () => closeHttp(gateway.server))
  const ran = await orama({ ...setting, world: goes.world }, ...line, '--watch')
  t.equal(ran.code, 0)
  t.match(ran.err, /error: Cannot reach/)
  const other = await proxied(t, statusAnswer())
  const stops = hurried(2, () => {
    other.node.behaviour.answers = { 'GET /v1/agent/status': answer(503, { error: 'stopping' }) }
  })
  const seen = await orama({ ...other.setting, world: stops.world }, ...line, '--watch')
  t.match(seen.out, new RegExp(`${other.node.nodeId} .* stopping .*2026-11-21T08:01:00Z`))
  t.not(node.nodeId, other.node.nodeId)
})

t.test('the real world stops listening for SIGINT', async t => {
  const before = process.listenerCount('SIGINT')
  let heard = 0
  const stop = realWorld().onInterrupt(() => heard++)
  process.emit('SIGINT')
  stop()
  t.equal(heard, 1)
  t.equal(process.listenerCount('SIGINT'), before)
})
