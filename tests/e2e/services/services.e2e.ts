import t from 'tap'
import type { Status } from '../../../protocol/status.ts'
import { lookUp } from '../support/coredns.ts'
import { testImage } from '../support/image.ts'
import { addFile, catFile, statusWithout } from '../support/kubo.ts'
import { startLoad } from '../support/load.ts'
import { bootMs, enroll, makeSite, must, type Site } from '../support/node.ts'
import { answers, getKey, putKey } from '../support/olric.ts'
import { query } from '../support/rqlite.ts'
import { lives, readStatus, untilReady } from '../support/status.ts'
import { nodeFile } from '../support/wallet-file.ts'
import { command } from './asks.ts'
import { refuseAtGateway, useGateway } from './gateway-acts.ts'
import { nodeIp } from './port-takings.ts'

const names = ['coredns', 'kubo', 'olric', 'rqlite']

// One machine of the ordinary image: each service is used as its users use it, before and after a reboot.
t.test('the services of a node', async t => {
  const site = await makeSite(t, await testImage('ordinary'))
  const machine = await site.boot()
  await enroll(site, machine)
  await machine.console.waitFor('STATE ready\n', bootMs)
  const { nodeId, cluster } = await nodeFile(site)

  await t.test('status tells of each what there is to tell', async t => {
    const status = await readStatus(site)
    t.equal(status.audit, 'on')
    t.same(Object.keys(status.services).sort(), [...names, 'gateway', 'guardian'].sort())
    const closed = { noNewPrivileges: true, filtered: true }
    const ours = {
      guardian: { uid: 1006, capabilities: [], ...closed },
      gateway: { uid: 1007, capabilities: ['CAP_NET_BIND_SERVICE'], ...closed },
    }
    for (const [name, confinement] of Object.entries(ours))
      t.match(status.services[name], { state: 'ready', seccomp: 'enforce', confinement })
    for (const name of names) t.match(status.services[name], describedService, name)
    const confined = (of: string) => status.services[of]?.confinement
    t.same(confined('coredns')?.capabilities, ['CAP_NET_BIND_SERVICE'])
    for (const name of ['kubo', 'olric', 'rqlite']) t.same(confined(name)?.capabilities, [], name)
    t.equal(new Set(names.map(name => confined(name)?.uid)).size, names.length, 'each its own UID')
  })

  await t.test('rqlite keeps a row, and has no word for who does not know the password', async t => {
    await query(site, 'CREATE TABLE proof (word TEXT)')
    await query(site, "INSERT INTO proof VALUES ('still here')")
    t.match(await query(site, 'SELECT word FROM proof'), 'still here')
    for (const path of ['db/query?q=SELECT+1', 'status', 'nodes', 'debug/vars', 'db/backup'])
      t.equal(await rqliteAnswer(site, path), '401', path)
  })

  await t.test('olric keeps a key, and nothing for who does not know the password', async t => {
    await putKey(site, 'proof', ['word', 'in memory'])
    t.equal(await getKey(site, 'proof', 'word'), 'in memory')
    const [stranger] = await answers(site, undefined, [['DM.GET', 'proof', 'word']])
    t.match(stranger, /^-/)
  })

  const text = 'a file of the proof'
  const cid = await addFile(site, text)
  await t.test('kubo gives back by its CID what was added', async t => {
    t.match(cid, /^baf/)
    t.equal(await catFile(site, cid), text)
    t.equal(await statusWithout(site, 'version'), '403')
  })

  await t.test('coredns knows the node by its name, and nothing outside for strangers', async t => {
    t.equal(await lookUp(site, `${nodeId}.node.${cluster}`), nodeIp)
    t.equal(await lookUp(site, `naaaaaaaaaaaaaaaa.node.${cluster}`), 'ENOTFOUND')
    t.equal(await lookUp(site, 'example.org'), 'EREFUSED')
  })

  await t.test('operators reach it by its gateway', t => useGateway(t, site))

  await t.test('the gateway refuses, each with its status', t => refuseAtGateway(t, site))

  await t.test('a restart of one service touches no other', async t => {
    const before = await readStatus(site)
    must(await command(site, 'restart', 'coredns'))
    await untilReady(site, 'coredns')
    const after = await readStatus(site)
    t.not(after.services['coredns']?.pid, before.services['coredns']?.pid)
    t.same(lives(after, 'coredns'), lives(before, 'coredns'))
    t.equal(await lookUp(site, `${nodeId}.node.${cluster}`), nodeIp)
  })

  await t.test('the token alone does not open a filter', async t => {
    const { enrolled } = await nodeFile(site)
    const body = JSON.stringify({ action: 'seccomp', service: 'rqlite', mode: 'audit' })
    t.equal(await postCommand(site, enrolled?.agentToken ?? '', body), '403')
    t.equal((await readStatus(site)).services['rqlite']?.seccomp, 'enforce')
  })

  await t.test("the owner's order does, for one service, and the token closes it", async t => {
    const before = await readStatus(site)
    must(await command(site, 'seccomp', 'rqlite', '--mode', 'audit'))
    t.equal((await untilReady(site, 'rqlite')).seccomp, 'audit')
    const opened = await readStatus(site)
    t.same(lives(opened, 'rqlite'), lives(before, 'rqlite'))
    t.match(await query(site, 'SELECT word FROM proof'), 'still here')
    must(await command(site, 'seccomp', 'rqlite', '--mode', 'enforce'))
    t.equal((await untilReady(site, 'rqlite')).seccomp, 'enforce')
  })

  await t.test('under load, started and stopped, no service calls what its list lacks', async t => {
    for (const name of names) must(await command(site, 'seccomp', name, '--mode', 'audit'))
    for (const name of names) await untilReady(site, name)
    await query(site, 'CREATE TABLE load (number INTEGER)')
    const load = await startLoad(site, `${nodeId}.node.${cluster}`)
    await load.until(loadEach).finally(() => load.stop())
    for (const name of names) must(await command(site, 'restart', name))
    for (const name of names) t.equal((await untilReady(site, name)).seccomp, 'audit')
    const { services, deniedLost } = await readStatus(site)
    t.same(unexpected(services), [])
    t.equal(deniedLost ?? 0, 0)
  })

  await t.test('after a reboot what is kept is there, and all are used again', async t => {
    const boots = machine.console.boots()
    must(await command(site, 'reboot'))
    await machine.console.waitForBoot(boots + 1, bootMs)
    await machine.console.waitFor('STATE locked\n', bootMs)
    must(await site.orama('node', 'unlock', '--genesis', '--node-ip', nodeIp))
    await machine.console.waitFor('STATE ready\n', bootMs)
    t.match(await query(site, 'SELECT word FROM proof'), 'still here')
    t.equal(await catFile(site, cid), text)
    t.equal(await lookUp(site, `${nodeId}.node.${cluster}`), nodeIp)
    await putKey(site, 'proof', ['word', 'again'])
    t.equal(await getKey(site, 'proof', 'word'), 'again')
  })

  await t.test('and every filter is closed again', async t => {
    const { services } = await readStatus(site)
    for (const name of names) t.match(services[name], describedService, name)
    t.same(unexpected(services), [])
  })
})

/** Which service tried what, of the calls that it is not known to do without. */
function unexpected(services: Status['services']): string[] {
  return names.flatMap(name =>
    Object.keys(services[name]?.denied ?? {})
      .filter(call => !doneWithout.includes(call))
      .map(call => `${name}: ${call}`),
  )
}

/** How many questions each service answers before a list counts as tried; one to olric is 200 writes. */
const loadEach = 5

/**
 * What Go's programs try, and do without where it fails: sockets of IPv6, which the node has not; clone3, in whose
 * place glibc takes clone.
 */
const doneWithout = ['socket', 'clone3']

/** Every field that a service which has been ready from its first start on has. */
const describedService = {
  state: 'ready',
  since: /^\d{4}-/,
  restarts: 0,
  lastProbe: { at: /^\d{4}-/, good: true },
  seccomp: 'enforce',
  denied: {},
  memoryBytes: Number,
  cpuS: Number,
  pid: Number,
  confinement: { uid: Number, noNewPrivileges: true, filtered: true },
}

/** The HTTP status for somebody without a password. */
function rqliteAnswer(site: Site, path: string): Promise<string> {
  const flags = ['-s', '-m', '20', '-o', '/dev/null', '-w', '%{http_code}']
  return site.network.exec('curl', [...flags, `http://${nodeIp}:10100/${path}`])
}

function postCommand(site: Site, token: string, body: string): Promise<string> {
  const flags = ['-s', '-m', '20', '-o', '/dev/null', '-w', '%{http_code}', '-K', '-', '-d', body]
  return site.network.exec('curl', [...flags, `http://${nodeIp}:9998/v1/agent/command`], {
    input: `header = "Authorization: Bearer ${token}"\n`,
  })
}
