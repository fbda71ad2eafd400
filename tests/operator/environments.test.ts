import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setDefaultCACertificates } from 'node:tls'
import t from 'tap'
import { certificate } from '../services/gateway/gateway.ts'
import { addLine, cluster, fingerprint, origin, playGateway, withGateway } from './gateway.ts'
import type { GatewayBehaviour } from './gateway.ts'
import { configFolder, orama, owner } from './support.ts'

t.test('env add keeps of which cluster a gateway is, and shows it', async t => {
  const { config, setting } = await withGateway(t)
  const path = join(config, 'environments.json')
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.same(JSON.parse(await readFile(path, 'utf8')), {
    v: 1,
    environments: { home: { gateway: origin, fingerprint, cluster, authority: owner } },
  })
  const { out } = await orama(setting, 'env', 'list')
  for (const shown of ['home', origin, cluster, owner, fingerprint]) t.match(out, shown)
})

t.test('env remove forgets it, and a second time says that there is none', async t => {
  const { setting } = await withGateway(t)
  t.equal((await orama(setting, 'env', 'remove', 'home')).code, 0)
  t.same(JSON.parse((await orama(setting, 'env', 'list', '--json')).out), { environments: [] })
  t.equal((await orama(setting, 'env', 'remove', 'home')).code, 2)
})

const plainLine = ['env', 'add', 'home', '--gateway', origin]

t.test('a certificate that is publicly valid needs no fingerprint, but the right name', async t => {
  const gateway = await playGateway(t)
  const setting = { config: await configFolder(t), ports: { 443: gateway.port } }
  setDefaultCACertificates([certificate.certificate])
  t.teardown(() => setDefaultCACertificates([]))
  const other = await orama(setting, ...plainLine, '--server-name', 'other.test')
  t.equal(other.code, 5, other.out)
  const ran = await orama(setting, ...plainLine, '--server-name', 'gateway.test')
  t.equal(ran.code, 0, ran.err)
})

const refused: readonly (readonly [string, readonly string[], GatewayBehaviour, number, RegExp])[] = [
  ['a certificate that nobody vouches for', plainLine, {}, 5, new RegExp(`fingerprint is ${fingerprint}`)],
  [
    'another fingerprint',
    [...plainLine, '--fingerprint', 'ab'.repeat(32)],
    {},
    5,
    new RegExp(`not the one on file; its fingerprint is ${fingerprint}`),
  ],
  [
    'an offer of no cluster',
    addLine,
    { answers: { 'GET /v1/node/enroll': () => ({ body: { cluster: 'x' } }) } },
    1,
    /Cannot understand/,
  ],
  [
    'an offer of 1 MiB',
    addLine,
    { answers: { 'GET /v1/node/enroll': () => ({ body: 'x'.repeat(2 ** 20) }) } },
    1,
    /more than/,
  ],
]

for (const [why, line, behaviour, code, message] of refused)
  t.test(`env add refuses: ${why}`, async t => {
    const gateway = await playGateway(t, behaviour)
    const config = await configFolder(t)
    const ran = await orama({ config, ports: { 443: gateway.port } }, ...line)
    t.equal(ran.code, code, ran.err)
    t.match(ran.err, message)
    if (code === 5) t.same(gateway.asked, [], 'nothing was sent')
    t.same(JSON.parse((await orama({ config }, 'env', 'list', '--json')).out), { environments: [] })
  })

t.test('env add does not replace an environment by one of another cluster', async t => {
  const { gateway, setting } = await withGateway(t)
  t.equal((await orama(setting, ...addLine)).code, 0, 'the same again')
  gateway.behaviour.offer = { cluster: 'f'.repeat(32) }
  const ran = await orama(setting, ...addLine)
  t.equal(ran.code, 5)
  t.match(ran.err, /Cannot replace environment home/)
})

const usage: readonly (readonly [string, readonly string[]])[] = [
  ['no name', ['env', 'add', '--gateway', origin]],
  ['a name with a slash', ['env', 'add', '../x', '--gateway', origin]],
  ['two names', ['env', 'add', 'a', 'b', '--gateway', origin]],
  ['no gateway', ['env', 'add', 'home']],
  ['a gateway without TLS', ['env', 'add', 'home', '--gateway', 'http://192.0.2.1']],
  ['a gateway with a path', ['env', 'add', 'home', '--gateway', `${origin}/x`]],
  ['a fingerprint that is too short', [...plainLine, '--fingerprint', 'abcd']],
  ['a server name that is none', [...plainLine, '--server-name', 'a b']],
  ['an audience that is no origin', [...plainLine, '--audience', 'x']],
]

for (const [why, line] of usage)
  t.test(`env add refuses a command line: ${why}`, async t => {
    const ran = await orama({ config: await configFolder(t) }, ...line)
    t.equal(ran.code, 2, ran.err)
  })

t.test('a gateway that is down is exit code 4, a damaged file is named', async t => {
  const { config } = await withGateway(t)
  t.equal((await orama({ config }, ...addLine)).code, 4)
  await writeFile(join(config, 'environments.json'), '{}')
  const ran = await orama({ config }, 'env', 'list')
  t.equal(ran.code, 1)
  t.match(ran.err, /environments\.json/)
})
