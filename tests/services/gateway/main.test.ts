import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { socketPath } from '../../http/serving.ts'
import { playedAgent } from './enroll/played-agent.ts'

const program = join(import.meta.dirname, '../../../services/gateway/main.ts')

function started(t: Test, args: readonly string[]) {
  const child = spawn(process.execPath, ['--no-warnings', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close') as Promise<[number | null, string | null]>
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, ended }
}

const refused = [
  ['nothing', []],
  ['no socket', ['/run/config']],
  ['more than it knows', ['/run/config', '/run/socket', 'more']],
] as const
for (const [what, args] of refused)
  t.test(`the program does not start with ${what}`, async t => {
    const { child, ended } = started(t, args)
    t.match(await text(child.stderr), /^gateway: RangeError: Cannot start: need the folder/)
    t.same(await ended, [1, null])
  })

t.test('the program does not start without its agent', async t => {
  const { child, ended } = started(t, ['/run/config', await socketPath(t)])
  t.match(await text(child.stderr), /the agent of this node does not answer/)
  t.same(await ended, [1, null])
})

t.test('the program does not start without its key', async t => {
  const agent = await playedAgent(t)
  const { child, ended } = started(t, [t.testdir({ 'gateway.key': 'short' }), agent.path])
  t.match(await text(child.stderr), /Cannot read key/)
  t.same(await ended, [1, null])
})
