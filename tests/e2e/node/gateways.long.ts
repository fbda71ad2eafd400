import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { completionBytesMax } from '../../../protocol/completion.ts'
import { composeEviction } from '../../../protocol/cluster/departure.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { newsSchema } from '../../../protocol/cluster/news.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { helloPageSchema } from '../../../protocol/hello.ts'
import { addressOf, publicKeyOf } from '../../../protocol/wallet.ts'
import { within } from '../../../qemu/deadline.ts'
import type { Disk } from '../../../qemu/disk.ts'
import type { Machine } from '../../../qemu/machine.ts'
import { answerIn, gatewayAt, helloIn } from '../../agent/enroll/gateway.ts'
import { signedBy } from '../../protocol/cluster/sample.ts'
import { postToAgent, type Said } from '../support/agent-port.ts'
import { ask, posted } from '../support/enrollment-port.ts'
import { gatewayLies, type Lie } from '../support/gateway-lies.ts'
import { takeHeader } from '../support/header.ts'
import { testImage } from '../support/image.ts'
import {
  double,
  endpointOf,
  moved,
  news,
  newsLies,
  type Played,
  secondMember,
} from '../support/member-lies.ts'
import { bootMs, connect, enrollment, makeSite, must, readConsole, type Site } from '../support/node.ts'
import { commandLies, commandPath, endpointsOrder } from '../support/order-lies.ts'
import { hashAt, partitionOf, rawDisk } from '../support/raw-disk.ts'
import { readStatus } from '../support/status.ts'
import { fetchSecret, postUnlock, unlockRequest } from '../support/unlocking.ts'
import { nodeFile, walletKey } from '../support/wallet-file.ts'

const answerMs = 60_000
/** Much is started at once, beside other machines under test. */
const readyMs = 3 * bootMs
const newsPath = '/v1/agent/news'
/** Of the double: on this network it has the operator's place in WireGuard. */
const from = '10.0.0.254'

// One machine and two gateways: one that the owner let enroll his node, and one that was taken over afterwards with all
// that it has. That it does at the agent's Unix socket is in tests/agent/gateway: nobody outside gets there.
t.test('gateways that lie', async t => {
  const image = await testImage('ordinary')
  const site = await makeSite(t, image)
  const disk = await rawDisk(site, image)
  const gateway = await gatewayInside(t, site)
  must(await site.orama('wallet', 'new'))
  must(await site.orama('image', 'prepare', disk.file, '--gateway', gateway.url))
  const machine = await site.boot({ disk })
  const shown = await readConsole(machine, 'boot', readyMs)
  const call = await within(gateway.call(), readyMs, 'the node to call its gateway')
  const { hello } = helloPageSchema.parse((await ask(site, {})).body)
  const wallet = await walletKey(site)
  const blank = await dataHash(disk)
  const lies = await gatewayLies({ hello, nodeIp: site.port.address, wallet, claim: shown.claim })

  await t.test('the node calls the gateway, and shows it what it shows everybody', async t => {
    t.same(helloIn(await call.next()), hello)
  })

  for (const [what, completion, why] of lies)
    await t.test(`a gateway with a grant of the owner posts ${what}: refused`, async t => {
      const since = machine.console.text().length
      isRefused(t, await ask(site, posted(completion)), why)
      await machine.console.waitFor(/enrollment: refused: Cannot .*\n/, answerMs, { since })
    })

  for (const [what, completion, why] of lies)
    await t.test(`in the call of the node it says ${what}: refused`, async t => {
      call.socket.send(JSON.stringify({ completion }))
      isRefused(t, answerIn(await within(call.next(), answerMs, 'an answer')), why)
    })

  await t.test('ten megabytes are not read', async t => {
    const much = Buffer.alloc(10 * completionBytesMax, ' ')
    t.match(await ask(site, posted(much)), { status: 413, body: { error: 'body too large' } })
    call.socket.send(much.toString())
    t.equal(await within(call.closed, answerMs, 'the node to hang up'), 1009)
  })

  await t.test('after all that the node is blank, byte for byte, and its code is still there', async t => {
    t.notMatch(machine.console.text(), 'STATE enrolling')
    t.equal(await dataHash(disk), blank)
    t.match((await ask(site, {})).body, { code: shown.code })
  })

  await t.test('its owner enrolls it with this code', async () => {
    must(await site.orama(...enrollment(site, shown)))
    await connect(site)
    await machine.console.waitFor('STATE ready\n', readyMs)
  })

  const { cluster, nodeId: genesis } = await nodeFile(site)
  const owner = { key: wallet, address: addressOf(publicKeyOf(wallet)) }
  const played = secondMember({ cluster, owner, genesis })
  const tell = (body: object) => postToAgent(site, newsPath, body)
  const command = (body: object) => postToAgent(site, commandPath, body)
  const number = Date.now()
  const taken = 1

  await t.test('a member that the owner invited is one, by whomever the node hears of it', async t => {
    await tell(news({ members: [played.member] }))
    await tell(moved(endpointOf(played, { number })))
    t.equal((await readStatus(site)).shares?.members, 2)
    const { endpoints } = (await facts(site, disk)).news
    t.match(
      endpoints.find(one => one.node === played.second.nodeId),
      { number },
    )
  })

  await t.test('an order of the owner is taken, once', async t => {
    t.match(await command(endpointsOrder(played, '192.0.2.66:51820', { number: taken })), { status: 200 })
    t.equal((await readStatus(site)).lastOrder, taken)
  })

  const before = await facts(site, disk)

  for (const [what, lie, why] of newsLies(played))
    await t.test(`a gateway that was taken over announces ${what}: refused, and reported`, async t => {
      const since = machine.console.text().length
      t.match(await tell(lie), { status: 200 }, 'it is told what the node knows')
      const refused = await machine.console.waitFor(/cluster: refused from .*\n/, answerMs, { since })
      t.match(refused.text, `refused from ${from}: `)
      t.match(refused.text, why)
    })

  await t.test('what it has heard long ago changes nothing', async t => {
    const old = [endpointOf(played, { number: number - 1, endpoint: '192.0.2.67:51820' })]
    for (const lie of [
      moved(...old),
      moved(endpointOf(played, { number })),
      news({ members: [played.member] }),
    ])
      t.match(await tell(lie), { status: 200 })
    t.same(await facts(site, disk), before, 'nor did any of the lies')
  })

  for (const [what, path, lie, status, why] of commandLies(played, taken))
    await t.test(`it orders ${what}: refused with ${status}, and reported`, async t => {
      const since = machine.console.text().length
      t.match(await postToAgent(site, path, lie), { status, body: { error: why } })
      await isReported(t, machine, { since, path, status, why })
    })

  await t.test('nothing of the node has changed, and none of its keys is on the console', async t => {
    t.same(await facts(site, disk), before)
    t.equal((await readStatus(site)).state, 'ready')
    t.notMatch(machine.console.text(), (await nodeFile(site)).enrolled?.agentToken ?? '')
  })

  const order = { cluster, issued: formatTime(new Date()) }

  await t.test('an eviction of the owner is final: what was signed before counts no more', async t => {
    const text = composeEviction({ ...order, node: played.second.nodeId, force: 'yes' })
    t.match(await command({ action: 'evict', order: signedBy(owner, text) }), { status: 200 })
    await isGone(t, site, played)
  })

  await t.test('who tells too many lies is not heard for a minute, and the owner is', async t => {
    const lie = endpointOf(played, { number, node: `n${'a'.repeat(16)}` })
    t.match(await tell(moved(...Array.from({ length: 40 }, () => lie))), { status: 200 })
    const since = machine.console.text().length
    t.match(await tell(news({})), { status: 429, body: { error: 'too much of what was told' } })
    await isReported(t, machine, { since, path: newsPath, status: 429, why: /too much/ })
    for (const [action, at] of [
      ['hold', Date.now() - 1000],
      ['release', Date.now() - 500],
    ] as const) {
      const issued = formatTime(new Date())
      const text = composeHold({ cluster, issued, node: genesis, action, number: at })
      t.match(await command({ action, order: signedBy(owner, text) }), { status: 200 }, action)
    }
  })

  await t.test('it can have the node start again: then it is locked', async () => {
    await command({ action: 'reboot' })
    await machine.console.waitForBoot(2, readyMs)
    await machine.console.waitFor('STATE locked\n', readyMs)
  })

  const secret = await fetchSecret(site)
  const locked = await facts(site, disk)
  const past = formatTime(new Date(Date.now() - 1000))
  const unlocks = [
    ['its own', { signer: double.key }, /who is not the owner/],
    ['of another node', { signer: wallet, changes: { node: played.second.nodeId } }, /it is for node n/],
    ['that has expired', { signer: wallet, changes: { expires: past } }, /it expired at/],
    ['with a number that is used', { signer: wallet, changes: { number: taken } }, /number \d+ is used/],
    [
      'with a nonce of no offer',
      { signer: wallet, changes: { arguments: { nonce: '_'.repeat(22) } } },
      /this nonce/,
    ],
    ['to leave', { signer: wallet, changes: { action: 'leave' } }, /says 'leave'/],
  ] as const
  for (const [what, how, why] of unlocks)
    await t.test(`an unlock with the right secret under an order ${what}: refused, and reported`, async t => {
      const since = machine.console.text().length
      const answer = await postUnlock(site, await unlockRequest(site, { secret, ...how }))
      t.match(answer, { status: 403, body: { error: why } })
      await isReported(t, machine, { since, path: '/v1/agent/unlock', status: 403, why })
    })

  await t.test('a locked node knows as well who is gone', async t => {
    await isGone(t, site, played)
    t.same(await facts(site, disk), locked)
  })

  await t.test('its owner unlocks it after all that', async () => {
    must(await site.orama('node', 'unlock', '--genesis', '--node-ip', '10.0.0.1'))
    await machine.console.waitFor('STATE ready\n', readyMs)
  })
})

/** A gateway on the test network's host; its URL is for the operator file. */
async function gatewayInside(t: Pick<Test, 'teardown'>, { network }: Site) {
  const inside = await network.namespace.enter()
  try {
    return await gatewayAt(t, {}, network.hostAddress)
  } finally {
    await inside[Symbol.asyncDispose]()
  }
}

function isRefused(t: Test, { status, body }: Said, why: Lie[2]): void {
  t.equal(status, 403)
  t.match(body, { error: why, hint: /\w/ })
}

async function dataHash(disk: Disk): Promise<string> {
  return hashAt(disk, await partitionOf(disk, 'data'))
}

/** What must not change: what the node knows of its cluster and of orders, and all before its encrypted data. */
async function facts(site: Site, disk: Disk) {
  const { state, lastOrder, shares } = await readStatus(site)
  const said = await postToAgent(site, newsPath, news({}))
  const header = createHash('sha256')
    .update(await takeHeader(disk))
    .digest('hex')
  return { state, lastOrder, shares, news: newsSchema.parse(said.body), header }
}

type Reported = {
  readonly since: number
  readonly path: string
  readonly status: number
  readonly why: RegExp
}

async function isReported(
  t: Test,
  { console }: Machine,
  { since, path, status, why }: Reported,
): Promise<void> {
  const { text } = await console.waitFor(/command: .* is refused .*\n/, answerMs, { since })
  t.match(text, `command: ${from} is refused POST ${path}`)
  t.match(text, new RegExp(` with ${status}: .*${why.source}`))
}

/** The second member stays away, although all that once made it one is told again, and more of its own. */
async function isGone(t: Test, site: Site, played: Played): Promise<void> {
  const later = endpointOf(played, { number: Date.now() })
  const again = { ...news({ members: [played.member] }), endpoints: [later] }
  t.match(await postToAgent(site, newsPath, again), { status: 200 })
  t.equal((await readStatus(site)).shares?.members, 1)
}
