import t from 'tap'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { addresses, guardianBench, refusal } from './cluster.ts'

const route = ['POST', '/v1/guardian/news'] as const
const digest = '0'.repeat(64)
const said = { digest, news: { membership: noMembers, endpoints: [] } }

t.test('what a member says goes to the agent, and what the agent says comes back', async t => {
  const { ask, lines } = await guardianBench(t)
  const before = lines.length
  for (const message of [{ digest }, said])
    t.same(await ask(addresses.alice, route, message), { status: 200, body: message })
  t.equal(lines.length, before, 'that is in no log')
})

const unfit: readonly (readonly [string, unknown])[] = [
  ['nothing', ''],
  ['news without a digest', said.news],
  ['a digest that is none', { digest: 'x' }],
  ['a field more', { digest, more: 1 }],
]
for (const [what, body] of unfit)
  t.test(`${what} is refused before anybody is asked`, async t => {
    const { ask, endStore } = await guardianBench(t)
    await endStore()
    t.match(await ask(addresses.alice, route, body), { status: 400 })
  })

t.test('who is no member, the guardian itself too, is told nothing', async t => {
  const { ask } = await guardianBench(t)
  for (const from of ['127.0.0.9', addresses.guardian])
    t.match(refusal(await ask(from, route, { digest })), { status: 403, reason: 'not-a-member' })
})

t.test('a member says something sixty times a minute, and others are not kept from it', async t => {
  const { ask, clock } = await guardianBench(t)
  for (let at = 0; at < 60; at++) await ask(addresses.alice, route, { digest })
  t.match(refusal(await ask(addresses.alice, route, { digest })), { status: 429, reason: 'too-many' })
  t.match(await ask(addresses.bob, route, { digest }), { status: 200 })
  clock.ms += 60_000
  t.match(await ask(addresses.alice, route, { digest }), { status: 200 })
})
