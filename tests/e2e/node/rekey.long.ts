import { randomBytes } from 'node:crypto'
import t from 'tap'
import { readEscrowToken } from '../../../agent/unlock/tokens.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { composeOrder } from '../../../protocol/order.ts'
import type { Status } from '../../../protocol/status.ts'
import { signText } from '../../../protocol/wallet.ts'
import { runningSite } from '../support/enrolled-site.ts'
import { isReadWith } from '../support/file-system.ts'
import { parseHeader, takeHeader } from '../support/header.ts'
import { bootMs, must, type Site } from '../support/node.ts'
import { poll } from '../support/poll.ts'
import { query } from '../support/rqlite.ts'
import { readStatus } from '../support/status.ts'
import { postToAgent } from '../support/agent-port.ts'
import { nodeFile, walletKey } from '../support/wallet-file.ts'

const where = ['--node-ip', '10.0.0.1']
// An emulated machine encrypts tens of megabytes a second.
const rekeyMs = 20 * 60_000

t.test('a disk gets a new key while its services run, and through a power cut', async t => {
  const { site, disk, first, boot, unlock } = await runningSite(t)
  const rekey = () => site.orama('node', 'rekey', ...where)

  await first.console.waitFor('STATE ready\n', bootMs)
  await query(site, 'CREATE TABLE proof (word TEXT)')
  await query(site, "INSERT INTO proof VALUES ('before')")
  const copied = await takeHeader(disk)

  await t.test('whoever is not the owner orders nothing', async t => {
    const answer = await postToAgent(site, '/v1/agent/command', await order(site, randomBytes(32)))
    t.equal(answer.status, 403)
    t.match(answer.body, { error: 'who is not the owner' })
    t.equal((await readStatus(site)).rekey, undefined)
  })

  await t.test("the owner's order begins it, with a new secret", async t => {
    t.match(must(await rekey()), 're-encrypts its disk')
    await first.console.waitFor('rekey: begun', bootMs)
    t.match((await readStatus(site)).rekey, { state: 'running' })
    const header = parseHeader(await takeHeader(disk))
    t.equal(readEscrowToken(header)?.number, 2)
    t.match(header.reencryption, { newKeyslot: String })
  })

  await t.test('a second order is refused while it runs', async t => {
    const refused = await rekey()
    t.equal(refused.status, 3)
    t.match(refused.error, 'being given a new key already')
  })

  await t.test('services run meanwhile, status tells how far it is, and the power is cut', async t => {
    await untilRekey(site, rekey => (rekey?.percent ?? 100) >= 10)
    await query(site, "INSERT INTO proof VALUES ('meanwhile')")
    t.match(await query(site, 'SELECT word FROM proof', 'strong'), 'meanwhile')
    t.match(must(await site.orama('node', 'status', ...where)), /rekey +\d+ %/)
    await first.kill()
  })

  const second = await boot('second')
  await t.test('on a closed disk it waits, and cannot be ordered', async t => {
    t.match((await readStatus(site)).rekey, { state: 'waiting' })
    const refused = await postToAgent(site, '/v1/agent/command', await order(site, await walletKey(site)))
    t.equal(refused.status, 409)
    t.match(refused.body, { error: 'the disk is closed' })
  })

  await t.test('unlocked it goes on to its end, and has lost nothing', async t => {
    must(await unlock())
    // Beside re-encryption the services start slowly.
    await second.console.waitFor('STATE ready\n', 3 * bootMs)
    await second.console.waitFor('rekey: goes on\n', bootMs)
    t.match(await query(site, 'SELECT word FROM proof', 'strong'), /before[^]*meanwhile/)
    await second.console.waitFor('rekey: done', rekeyMs)
    t.equal(await untilRekey(site, rekey => rekey === undefined), undefined)
    t.equal(parseHeader(await takeHeader(disk)).reencryption, undefined)
  })

  await t.test('after an orderly stop the new key alone opens the disk, and all is there', async t => {
    await second.monitor.powerDown()
    await second.exited
    t.ok(await isReadWith(site, disk, await takeHeader(disk)), 'the header of now')
    t.notOk(await isReadWith(site, disk, copied), 'the header of before, with the secret of its time')
    const third = await boot('third')
    t.equal((await readStatus(site)).rekey, undefined)
    must(await unlock())
    await third.console.waitFor('STATE ready\n', bootMs)
    t.match(await query(site, 'SELECT word FROM proof', 'strong'), /before[^]*meanwhile/)
  })
})

/** An order to rekey the site's node, signed with this private key; right in all else. */
async function order(site: Site, signer: Buffer): Promise<object> {
  const [{ nodeId, orderNumber }, { lastOrder = 0 }] = [await nodeFile(site), await readStatus(site)]
  const text = composeOrder({
    node: nodeId,
    action: 'rekey',
    arguments: {},
    number: Math.max(orderNumber, lastOrder) + 1,
    expires: formatTime(new Date(Date.now() + 10 * 60_000)),
  })
  return { action: 'rekey', order: { text, signature: signText(text, signer) } }
}

function untilRekey(site: Site, wanted: (rekey: Status['rekey']) => boolean): Promise<Status['rekey']> {
  const ask = async () => (await readStatus(site)).rekey
  return poll({ ask, wanted, what: 'the rekey', deadlineMs: rekeyMs, askAgainMs: 1000 })
}
