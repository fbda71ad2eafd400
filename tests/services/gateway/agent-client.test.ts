import t from 'tap'
import type { Reply } from '../../../http/server.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { newsDigest } from '../../../protocol/cluster/news.ts'
import { agentClient } from '../../../services/gateway/agent-client.ts'
import { genesisRecord, joinRecord } from '../../protocol/cluster/sample.ts'
import { playedAgent } from './enroll/played-agent.ts'

t.test('news that the agent has told are not told again until there are others', async t => {
  const queries: string[] = []
  const nothing = { membership: noMembers, endpoints: [] }
  let news = { ...nothing, membership: { ...noMembers, members: [genesisRecord()] } }
  const { path: socketPath } = await playedAgent(t, {
    'GET /news': {
      handle: ({ url }): Reply => {
        queries.push(url.search)
        const digest = newsDigest(news)
        return { body: url.searchParams.get('known') === digest ? { digest } : { digest, news } }
      },
    },
  })
  const agent = agentClient({ socketPath, report: error => void t.fail(error.message) })
  const first = await agent.news()
  t.same(first, news)
  const known = `?known=${newsDigest(news)}`
  t.equal(await agent.news(), first, 'the same object')
  news = { ...nothing, membership: { ...noMembers, members: [genesisRecord(), joinRecord()] } }
  t.same(await agent.news(), news)
  t.same(queries, ['', known, known])
})

for (const [what, body] of [
  ['no digest', { news: { membership: noMembers, endpoints: [] } }],
  ['news alone', { membership: noMembers, endpoints: [] }],
  ['a digest to who knows nothing', { digest: '0'.repeat(64) }],
] as const)
  t.test(`an agent that says ${what}: 503`, async t => {
    const { path: socketPath } = await playedAgent(t, { 'GET /news': { handle: () => ({ body }) } })
    const said: Error[] = []
    const agent = agentClient({ socketPath, report: error => said.push(error) })
    await t.rejects(agent.news(), { name: 'HttpError', status: 503 })
    t.match(said, [{ message: /^Cannot use the agent: / }])
  })
