import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startProgram } from '../program.ts'
import { socketPath } from '../../http/serving.ts'
import { playedAgent } from './enroll/played-agent.ts'

const program = join(import.meta.dirname, '../../../services/gateway/main.ts')

const refused = [
  ['nothing', []],
  ['no socket', ['/run/config']],
  ['more than it knows', ['/run/config', '/run/socket', 'more']],
] as const
for (const [what, args] of refused)
  t.test(`the program does not start with ${what}`, async t => {
    const { child, ended } = startProgram(t, program, args)
    t.match(await text(child.stderr), /^gateway: RangeError: Cannot start: need the folder/)
    t.same(await ended, [1, null])
  })

t.test('the program does not start without its agent', async t => {
  const { child, ended } = startProgram(t, program, ['/run/config', await socketPath(t)])
  t.match(await text(child.stderr), /the agent of this node does not answer/)
  t.same(await ended, [1, null])
})

t.test('the program does not start without its key', async t => {
  const agent = await playedAgent(t)
  const { child, ended } = startProgram(t, program, [t.testdir({ 'gateway.key': 'short' }), agent.path])
  t.match(await text(child.stderr), /Cannot read key/)
  t.same(await ended, [1, null])
})
