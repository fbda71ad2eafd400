import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Test } from 'tap'

/** A port whose queue is full, as that of a machine that is off looks: what knocks there hears nothing. */
export async function fullPort(t: Test, host = '127.0.0.1'): Promise<number> {
  const program = `require('node:net').createServer().listen({ port: 0, host: '${host}', backlog: 1 }, function () {
    process.stdout.write(String(this.address().port))
  })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  child.kill('SIGSTOP')
  const port = Number(said)
  for (let at = 0; at < 4; at++) {
    const socket = connect(port, host).on('error', () => undefined)
    t.teardown(() => socket.destroy())
  }
  return port
}
