import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { createReaper } from '../../../agent/system/children.ts'
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

/** Children that are a list: those in `dead` can be waited for. */
function fakeChildren() {
  const alive = new Set<number>()
  const dead = new Map<number, { status: number | null; signal: number | null }>()
  const reaper = createReaper({
    children: () => [...alive, ...dead.keys()],
    reap: pid => {
      if (!alive.has(pid) && !dead.has(pid)) throw new Error('ECHILD')
      const end = dead.get(pid)
      dead.delete(pid)
      return end === undefined ? undefined : { pid, ...end }
    },
  })
  const die = (pid: number, status: number | null, signal: number | null = null) => {
    alive.delete(pid)
    dead.set(pid, { status, signal })
  }
  return { alive, die, ...reaper }
}

t.test('who asks for the same end twice is answered twice, before, after, and both', async t => {
  const { alive, die, scan, exitOf } = fakeChildren()
  alive.add(7)
  const early = [exitOf(7), exitOf(7)]
  die(7, 3)
  scan()
  const late = [exitOf(7), exitOf(7)]
  const wanted = { pid: 7, status: 3, signal: null }
  t.same(await Promise.all([...early, ...late]), [wanted, wanted, wanted, wanted])
})

t.test('a child that died before its number was known has kept its status and its signal', async t => {
  const { die, scan, exitOf } = fakeChildren()
  die(8, null, 11)
  scan()
  t.same(await exitOf(8), { pid: 8, status: null, signal: 11 })
})

t.test('a number that came again is not the process that had it before', async t => {
  const { alive, die, scan, exitOf } = fakeChildren()
  die(9, 1)
  scan()
  alive.add(9)
  const second = exitOf(9)
  die(9, 2)
  scan()
  t.match(await second, { status: 2 })
  t.match(await exitOf(9), { status: 2 })
})

t.test('64 ends are kept, the newest', async t => {
  const { die, scan, exitOf } = fakeChildren()
  for (let pid = 100; pid < 165; pid++) die(pid, pid - 100)
  scan()
  t.match(await exitOf(101), { status: 1 })
  const oldest = exitOf(100).then(() => 'kept')
  t.equal(await Promise.race([oldest, new Promise(resolve => setImmediate(resolve, 'gone'))]), 'gone')
})
