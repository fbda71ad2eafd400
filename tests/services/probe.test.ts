import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

// What it tries is for tests/e2e/services: on a build host, with root's rights, it would succeed.
t.test('the hostile probe does not run outside of a PID namespace of its own', async t => {
  const program = join(import.meta.dirname, '../../services/probe/probe.ts')
  const child = spawn(process.execPath, [program, '127.0.0.1'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const closed = once(child, 'close') as Promise<[number | null]>
  const [said, [status]] = await Promise.all([text(child.stderr), closed])
  t.match(said, /Cannot run the probe outside of a sandbox/)
  t.equal(status, 1)
})
