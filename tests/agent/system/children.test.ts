import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { reap, SystemCallError } from '../../../agent/system/libc.ts'

const root = new URL('../../../agent/system/', import.meta.url).href
const adopt = `
  import { dlopen } from 'node:ffi'
  import { startReaper } from '${root}children.ts'
  import { run } from '${root}run.ts'
  // PR_SET_CHILD_SUBREAPER: orphans come to this process, as they come to PID 1.
  const { prctl } = dlopen('libc.so.6', {
    prctl: { arguments: ['i32', 'u64', 'u64', 'u64', 'u64'], return: 'i32' },
  }).functions
  if (prctl(36, 1n, 0n, 0n, 0n) !== 0) throw new Error('prctl')
  const reaper = startReaper()
  // A shell may wait for its own children: this one is left alone before it ends.
  const alone = 'while kill -0 $$ 2>/dev/null; do sleep 0.01; done; '
  /** Starts a script that nobody waits for, and returns its number. */
  const orphan = async script =>
    Number(await run('sh', ['-c', '(' + alone + script + ') >/dev/null 2>&1 & echo $!'], { quiet: true }))
  /** Resolves when the process is gone, its status taken. */
  const gone = async pid => {
    for (;;) {
      try {
        process.kill(pid, 0)
      } catch {
        return
      }
      await new Promise(resolve => setImmediate(resolve))
    }
  }
`

/** Runs a script in a process that adopts orphans; returns what it printed as JSON. */
async function adopting(script: string): Promise<unknown> {
  const code = `${adopt}\n${script}\nprocess.exit(0)`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', '--input-type=module', '-e', code],
    { timeout: 30_000 },
  )
  return JSON.parse(stdout)
}

t.test('the reaper knows how an orphan ended, asked before or after', async t => {
  const scripts = ['exit 0', 'exit 7', 'exit 255']
  const found = await adopting(`
    const found = []
    for (const script of ${JSON.stringify(scripts)}) {
      const [early, late] = [await orphan(script), await orphan(script)]
      found.push(await reaper.exitOf(early))
      await gone(late)
      found.push(await reaper.exitOf(late))
    }
    const killed = await orphan('exec sleep 60')
    process.kill(killed, 'SIGTERM')
    found.push(await reaper.exitOf(killed))
    console.log(JSON.stringify(found.map(({ status, signal }) => ({ status, signal }))))
  `)
  const wanted = [0, 0, 7, 7, 255, 255].map(status => ({ status, signal: null }))
  t.same(found, [...wanted, { status: null, signal: 15 }])
})

t.test('the reaper leaves the children of run() to run(), however many end at once', async t => {
  const found = await adopting(`
    const codes = Array.from({ length: 40 }, (_, at) => at % 5)
    const orphans = await Promise.all(codes.map(code => orphan('exit ' + code)))
    const ran = await Promise.all(
      codes.map(code => run('sh', ['-c', 'exit ' + code], { quiet: true }).then(() => 0, e => e.status)),
    )
    const reaped = await Promise.all(orphans.map(pid => reaper.exitOf(pid)))
    console.log(JSON.stringify({ ran, reaped: reaped.map(({ status }) => status) }))
  `)
  const codes = Array.from({ length: 40 }, (_, at) => at % 5)
  t.same(found, { ran: codes, reaped: codes })
})

t.test('a child of run() that is dead before libuv has looked is left to libuv', async t => {
  const found = await adopting(`
    const { readFileSync } = await import('node:fs')
    const ran = run('sh', ['-c', 'exit 5'], { quiet: true }).catch(error => error.status)
    const pid = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim()
    while (!readFileSync('/proc/' + pid + '/stat', 'utf8').includes(') Z '));
    process.emit('SIGCHLD')
    console.log(await Promise.race([ran, reaper.exitOf(Number(pid)).then(() => '"stolen"')]))
  `)
  t.equal(found, 5)
})

t.test('reap() refuses what is no child of this process', async t => {
  t.throws(() => reap(1), { code: 'ECHILD', message: 'waitpid 1: ECHILD' })
  t.throws(() => reap(1), SystemCallError)
})
