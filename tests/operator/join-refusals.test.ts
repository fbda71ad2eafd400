import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { formatInvite } from '../../protocol/cluster/invite.ts'
import { newNode, newWallet, signedBy } from '../protocol/cluster/sample.ts'
import { cluster } from './gateway.ts'
import type { GatewayBehaviour } from './gateway.ts'
import { answerOf, invite, joinedFile, joining, voucherBy } from './joining.ts'
import type { Lie } from './joining.ts'
import { orama, owner } from './support.ts'

const other = newNode()
const appointed = newWallet()
const ofStranger = (text: string) => signedBy(newWallet(), text)
const lies: readonly (readonly [string, Lie, RegExp])[] = [
  ['an acknowledgement of another owner', { acknowledgement: { owner: appointed.address } }, /another owner/],
  ['one of another cluster', { acknowledgement: { cluster: 'f'.repeat(32) } }, /another cluster/],
  ['the answer of another node', { by: other }, /not signed by the key of the hello/],
  ['the member at another address', { address: '10.0.0.3' }, /another address/],
  ['a member whose address it did not sign', { member: { address: '10.0.0.3' } }, /sign for its address/],
  ['a member whom nobody invited', { uninvited: true }, /nobody invited it/],
]

for (const [why, lie, message] of lies)
  t.test(`enroll refuses an answer: ${why}`, async t => {
    const { config, node, setting, byAddress } = await joining(t, lie)
    const ran = await orama(setting, ...byAddress)
    t.equal(ran.code, 5, ran.err)
    t.match(ran.err, message)
    t.equal(ran.out, '')
    t.equal((await joinedFile(config, node)).enrolled, undefined)
  })

t.test('enroll refuses the member record of another node beside the right acknowledgement', async t => {
  const { node, gateway, setting, byAddress } = await joining(t)
  gateway.behaviour.enroll = async request => {
    const [right, wrong] = [await answerOf(node, request), await answerOf(node, request, { by: other })]
    return { ...right, member: wrong.member }
  }
  t.equal((await orama(setting, ...byAddress)).code, 5)
})

t.test('enroll refuses a member whose grant another wallet signed', async t => {
  const { node, gateway, setting, byAddress } = await joining(t)
  gateway.behaviour.enroll = request => answerOf(node, request, { grant: ofStranger(request.grant.text) })
  const ran = await orama(setting, ...byAddress)
  t.equal(ran.code, 5)
  t.match(ran.err, /another owner/)
})

t.test('an invite by an appointed operator counts, and is said', async t => {
  const { setting, byAddress } = await joining(t, { voucher: voucherBy(appointed) })
  const ran = await orama(setting, ...byAddress)
  t.equal(ran.code, 0, ran.err)
  t.match(ran.err, `Invited by ${appointed.address}`)
})

const offers: readonly (readonly [string, NonNullable<GatewayBehaviour['offer']>, RegExp])[] = [
  ['another cluster', { cluster: 'f'.repeat(32) }, /of cluster f+, not/],
  ['another authority', { authority: appointed.address }, /of authority/],
]

for (const [why, offer, message] of offers)
  t.test(`enroll refuses a gateway of ${why}, before it asks the node`, async t => {
    const { node, gateway, setting, byAddress } = await joining(t)
    gateway.behaviour.offer = offer
    const ran = await orama(setting, ...byAddress)
    t.equal(ran.code, 5)
    t.match(ran.err, message)
    t.same(node.requests, [])
  })

t.test('enroll refuses a gateway with another certificate than the invite names', async t => {
  const { gateway, file, setting, byAddress } = await joining(t)
  await writeFile(file, formatInvite({ ...invite, f: 'ab'.repeat(32) }))
  t.equal((await orama(setting, ...byAddress)).code, 5)
  t.same(gateway.asked, [])
})

t.test('enroll refuses a man in the middle of the node: nothing goes to the gateway', async t => {
  const { config, requests, setting, line } = await joining(t)
  const ran = await orama(
    setting,
    ...line,
    '--node-ip',
    '192.0.2.8',
    '--code',
    '00000000',
    '--claim',
    '9TB3VA',
  )
  t.equal(ran.code, 5)
  t.same(requests, [])
  await t.rejects(readdir(join(config, 'nodes')))
})

t.test('what the gateway refuses is told in its words', async t => {
  const { gateway, setting, byAddress } = await joining(t)
  delete gateway.behaviour.enroll
  const ran = await orama(setting, ...byAddress)
  t.equal(ran.code, 3)
  t.match(ran.err, /The gateway refused: no such invite/)
})

t.test('an invite never moves an environment to another gateway', async t => {
  const { config, gateway, setting, byAddress } = await joining(t)
  const home = { gateway: 'https://192.0.2.99', cluster, authority: owner }
  const path = join(config, 'environments.json')
  await writeFile(path, JSON.stringify({ v: 1, environments: { home } }))
  const ran = await orama(setting, ...byAddress, '--env', 'home')
  t.equal(ran.code, 2)
  t.match(ran.err, /another than that of the invite/)
  t.same(gateway.asked, [])
  t.match(JSON.parse(await readFile(path, 'utf8')), { environments: { home } })
})

const words: readonly (readonly [string, readonly string[]])[] = [
  ['a code that is none', ['--by-code', 'abc']],
  ['a code with an address', ['--by-code', '7QK4M2XD', '--node-ip', '192.0.2.8']],
  ['a code with trust', ['--by-code', '7QK4M2XD', '--trust-network']],
  ['a genesis', ['--genesis', '--node-ip', '192.0.2.8']],
  ['a token as well', ['--token', 'x', '--node-ip', '192.0.2.8']],
  ['an operator key', ['--operator-key', 'x', '--node-ip', '192.0.2.8']],
  ['no node', []],
]

for (const [why, more] of words)
  t.test(`enroll --invite refuses a command line: ${why}`, async t => {
    const { gateway, setting, line } = await joining(t)
    const ran = await orama(setting, ...line, ...more)
    t.equal(ran.code, 2, ran.err)
    t.same(gateway.asked, [])
  })

const files: readonly (readonly [string, string])[] = [
  ['empty', ''],
  ['a bare token', 'ab'.repeat(32)],
  ['cut off', formatInvite(invite).slice(0, -5)],
]

for (const [why, text] of files)
  t.test(`an invite is refused without being repeated: ${why}`, async t => {
    const { file, setting, byAddress } = await joining(t)
    await writeFile(file, text)
    const ran = await orama(setting, ...byAddress)
    t.equal(ran.code, 1)
    t.match(ran.err, /Cannot read invite/)
    if (text !== '') t.notMatch(ran.err, text)
  })

t.test('what this machine does not have of a joined node is said', async t => {
  const { setting, byAddress } = await joining(t)
  await orama(setting, ...byAddress)
  const password = await orama(setting, 'node', 'password', '--service', 'rqlite')
  t.equal(password.code, 2)
  t.match(password.err, /no cluster secret/)
  const config = await orama(setting, 'node', 'wg-config')
  t.match(config.err, /no WireGuard key[^]*--env NAME/)
})
