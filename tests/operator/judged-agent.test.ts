import { once } from 'node:events'
import t from 'tap'
import { sendHttp } from '../../operator/http.ts'
import { judgedAgent } from '../../operator/judged-agent.ts'
import type { Request } from '../../http/server.ts'
import { fingerprint, withGateway } from './gateway.ts'
import { orama } from './support.ts'

const signing = ['node', 'invites', '--json', '--passphrase-fd', '3']

t.test('a command asks its gateway on one connection, however often', async t => {
  const { gateway, setting } = await withGateway(t)
  let connections = 0
  gateway.server.on('secureConnection', () => (connections += 1))
  t.equal((await orama(setting, ...signing)).code, 0)
  t.equal(gateway.asked.length, 3)
  // The one that was there from adding the environment.
  t.equal(connections, 0)
})

const kept = [
  ['a shorter time than the gateway says', {}, 4000],
  ['a minute at most', { 'keep-alive': 'timeout=600' }, 60_000],
] as const
for (const [what, headers, keptMs] of kept)
  t.test(`a connection is kept for ${what}`, async t => {
    const handle = () => ({ body: '', headers })
    const { gateway } = await withGateway(t, {}, { 'GET /kept': { access: 'anyone', handle } })
    const url = `https://127.0.0.1:${gateway.port}/kept`
    const agent = judgedAgent(new URL(url), { fingerprint })
    const free = once(agent, 'free')
    await sendHttp({ method: 'GET', url, tls: { fingerprint }, timeoutMs: 10_000, bytesMax: 1000 })
    await free
    const sockets = Object.values(agent.freeSockets).flatMap(all => all ?? [])
    t.same(
      sockets.map(({ timeout }) => timeout),
      [keptMs],
    )
  })

t.test('who expects another certificate gets no connection that is there', async t => {
  const { gateway } = await withGateway(t)
  const url = `https://127.0.0.1:${gateway.port}/health`
  const request = { method: 'GET', url, timeoutMs: 10_000, bytesMax: 1000 } as const
  t.equal((await sendHttp({ ...request, tls: { fingerprint } })).status, 200)
  for (const tls of [{ fingerprint: 'ab'.repeat(32) }, { serverName: 'gateway.test' }, {}])
    await t.rejects(sendHttp({ ...request, tls }), { exit: 'impostor' } as unknown as Error)
})

const cut = ({ visit }: Request) => {
  visit.request.socket.destroy()
  return { body: '' }
}

t.test('a look that finds its kept connection ended is tried on a new one', async t => {
  const { gateway, setting } = await withGateway(t)
  const name = 'GET /v1/operator/invites'
  gateway.behaviour.answers = {
    [name]: request => {
      gateway.behaviour.answers = {}
      return cut(request)
    },
  }
  t.equal((await orama(setting, ...signing)).code, 0)
  t.equal(gateway.asked.filter(({ route }) => route === name).length, 2)
})

t.test('but not what might have been carried out', async t => {
  const { gateway, setting } = await withGateway(t)
  const name = 'POST /v1/operator/login'
  gateway.behaviour.answers = { [name]: cut }
  t.not((await orama(setting, ...signing)).code, 0)
  t.equal(gateway.asked.filter(({ route }) => route === name).length, 1)
})

t.test('nor a look on a connection that was new', async t => {
  const { gateway } = await withGateway(t, {}, { 'GET /cut': { access: 'anyone', handle: cut } })
  const url = `https://127.0.0.1:${gateway.port}/cut`
  // Of another server name: nothing is kept under it.
  const tls = { fingerprint, serverName: 'other.test' }
  let connections = 0
  gateway.server.on('secureConnection', () => (connections += 1))
  const request = { method: 'GET', url, tls, timeoutMs: 10_000, bytesMax: 1000 } as const
  await t.rejects(sendHttp(request), { exit: 'unreachable' } as unknown as Error)
  t.equal(connections, 1)
})
