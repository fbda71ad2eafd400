import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Session } from '../../operator/session.ts'
import type { Challenge } from '../../protocol/login.ts'
import { parseLogin } from '../../protocol/login.ts'
import { origin, withGateway } from './gateway.ts'
import type { PlayedGateway } from './gateway.ts'
import { orama, ownerKey, writeWallet } from './support.ts'
import type { Setting } from './support.ts'

const list = ['node', 'invites', '--json']
const signing = [...list, '--passphrase-fd', '3']
const minute = 60_000

/** A setting whose clock the test moves, together with the gateway's. */
function later({ clock }: PlayedGateway, setting: Setting, minutes: number): Setting {
  clock.nowMs += minutes * minute
  return { ...setting, now: new Date(clock.nowMs) }
}

const routes = ({ asked }: PlayedGateway) => asked.splice(0).map(({ route }) => route.replace(/.*\//, ''))
const session = async (config: string) =>
  JSON.parse(await readFile(join(config, 'sessions/home.json'), 'utf8')) as Session

t.test('the wallet signs once, then the session serves, then its refresh token', async t => {
  const { gateway, config, setting } = await withGateway(t)
  t.equal((await orama(setting, ...signing)).code, 0)
  t.same(routes(gateway), ['challenge', 'login', 'invites'])
  t.equal((await stat(join(config, 'sessions/home.json'))).mode & 0o777, 0o600)
  const first = await session(config)
  t.equal((await orama(setting, ...list)).code, 0, 'no passphrase is asked for')
  t.same(routes(gateway), ['invites'])
  t.equal((await orama(later(gateway, setting, 15), ...list)).code, 0)
  t.same(routes(gateway), ['refresh', 'invites'])
  t.not((await session(config)).refresh, first.refresh, 'replaced')
})

t.test('two commands at once use a refresh token once', async t => {
  const { gateway, setting } = await withGateway(t)
  await orama(setting, ...signing)
  routes(gateway)
  const then = later(gateway, setting, 20)
  const ran = await Promise.all([orama(then, ...list), orama(then, ...list), orama(then, ...list)])
  t.same(
    ran.map(({ code }) => code),
    [0, 0, 0],
  )
  t.same(routes(gateway).toSorted(), ['invites', 'invites', 'invites', 'refresh'])
})

t.test('a refresh token that was used, or is too old, leads to the wallet', async t => {
  const { gateway, config, setting } = await withGateway(t)
  await orama(setting, ...signing)
  const old = await readFile(join(config, 'sessions/home.json'), 'utf8')
  const then = later(gateway, setting, 20)
  await orama(then, ...list)
  await writeFile(join(config, 'sessions/home.json'), old)
  routes(gateway)
  t.equal((await orama(then, ...list, '--passphrase-fd', '3')).code, 0)
  t.same(routes(gateway), ['refresh', 'challenge', 'login', 'invites'])
  const next = later(gateway, setting, 13 * 60)
  t.equal((await orama(next, ...signing)).code, 0)
  t.same(routes(gateway), ['refresh', 'challenge', 'login', 'invites'])
})

t.test('a token that no gateway takes any more is forgotten, and the wallet asked', async t => {
  const { gateway, config, setting } = await withGateway(t)
  await orama(setting, ...signing)
  const kept = await session(config)
  const token = `${kept.token.slice(0, -4)}AAAA`
  await writeFile(join(config, 'sessions/home.json'), JSON.stringify({ ...kept, token }))
  routes(gateway)
  t.equal((await orama(setting, ...signing)).code, 0)
  t.same(routes(gateway), ['challenge', 'login', 'invites'])
})

t.test('a session of another audience is not sent', async t => {
  const { gateway, config, setting } = await withGateway(t)
  await orama(setting, ...signing)
  const kept = await session(config)
  await writeFile(
    join(config, 'sessions/home.json'),
    JSON.stringify({ ...kept, audience: 'https://other.example' }),
  )
  routes(gateway)
  t.equal((await orama(setting, ...signing)).code, 0)
  t.same(routes(gateway), ['challenge', 'login', 'invites'])
})

t.test('a gateway that is down between two commands does not cost the session', async t => {
  const { gateway, config, setting } = await withGateway(t)
  await orama(setting, ...signing)
  const then = later(gateway, setting, 20)
  t.equal((await orama({ config, now: then.now ?? new Date() }, ...list)).code, 4)
  t.equal((await orama(then, ...list)).code, 0)
})

const changed = (change: Partial<Challenge>) => change
const challenges: readonly (readonly [string, Partial<Challenge>, RegExp])[] = [
  ['another cluster', changed({ cluster: 'f'.repeat(32) }), /another cluster/],
  ['another gateway', changed({ audience: 'https://other.example' }), /another gateway/],
  ['another wallet', changed({ address: '0x52908400098527886E0F7030069857D2E4169EE7' }), /wallet|address/],
  ['a time that is over', changed({ expires: '2026-11-21T08:00:30Z' }), /expired/],
  ['a long life', changed({ expires: '2026-11-21T09:00:00Z' }), /at most 5 minutes/],
]

for (const [why, change, message] of challenges)
  t.test(`a challenge is not signed: ${why}`, async t => {
    const { gateway, setting } = await withGateway(t)
    gateway.behaviour.answers = {
      'POST /v1/operator/challenge': ({ body }) => {
        const { address } = JSON.parse(body.toString()) as { address: string }
        return { body: { ...gateway.desk.challenge(address), ...change } }
      },
    }
    const ran = await orama(setting, ...signing)
    t.equal(ran.code, 5, ran.err)
    t.match(ran.err, message)
    t.same(routes(gateway), ['challenge'], 'nothing else was sent')
  })

t.test('what is signed is composed here, for the audience of the environment', async t => {
  const { gateway, setting } = await withGateway(t)
  await orama(setting, ...signing)
  const login = gateway.asked.find(({ route }) => route.endsWith('login'))?.body ?? ''
  t.equal(parseLogin((JSON.parse(login) as { text: string }).text).audience, origin)
})

t.test('a wallet that is no operator is told so, and has no session', async t => {
  const { config, setting } = await withGateway(t)
  await writeWallet(join(config, 'other.json'), Buffer.alloc(32, 11))
  const ran = await orama(setting, ...signing, '--wallet', join(config, 'other.json'))
  t.equal(ran.code, 3)
  t.match(ran.err, /The gateway refused: this wallet is no operator/)
  await t.rejects(stat(join(config, 'sessions/home.json')))
})

t.test('the keystore of an environment signs there', async t => {
  const { config, setting } = await withGateway(t)
  await writeWallet(join(config, 'wallet.json'), Buffer.alloc(32, 11))
  await writeWallet(join(config, 'home.json'), ownerKey)
  const path = join(config, 'environments.json')
  const file = JSON.parse(await readFile(path, 'utf8')) as { environments: { home: object } }
  const home = { ...file.environments.home, wallet: join(config, 'home.json') }
  await writeFile(path, JSON.stringify({ ...file, environments: { home } }))
  t.equal((await orama(setting, ...signing)).code, 0)
})
