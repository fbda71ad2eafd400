import t from 'tap'
import { launch } from '../../../agent/system/launch.ts'
import { recentLines } from '../../../agent/system/log.ts'
import { ProgramError, run } from '../../../agent/system/run.ts'

const sh = (script: string, ...args: string[]) => ['-c', script, 'sh', ...args]

t.test('run() returns standard output alone', async t => {
  t.equal(await run('sh', sh('echo out; echo err >&2')), 'out\n')
})

t.test('run() hands arguments over as they are: there is no shell', async t => {
  const args = ['$(id)', '`id`', '; id', '> /dev/null', '*', "'", '"', '', 'a b', '\\n', 'é']
  t.equal(await run('printf', ['%s|', ...args]), args.map(arg => `${arg}|`).join(''))
})

t.test('run() gives the input, and nothing where there is none', async t => {
  t.equal(await run('cat', [], { input: 'a\0b' }), 'a\0b')
  t.equal(await run('wc', ['-c'], { input: Buffer.alloc(1_000_000) }).then(Number), 1_000_000)
  t.equal(await run('cat', []), '')
})

t.test('run() does not mind a program that leaves its input unread', async t => {
  t.equal(await run('sh', sh('echo done'), { input: Buffer.alloc(1_000_000) }), 'done\n')
  await t.rejects(run('sh', sh('exit 3'), { input: Buffer.alloc(1_000_000) }), { status: 3, message: /./ })
})

t.test('run() passes nothing of the own environment on', async t => {
  process.env['ORAMA_SECRET'] = 'x'
  const lines = (await run('env', [])).split('\n')
  t.ok(lines.includes('PATH=/usr/sbin:/usr/bin'))
  t.notOk(lines.some(line => /^(ORAMA_SECRET|HOME|USER)=/.test(line)))
})

const failures = [
  ['a status', sh('exit 7'), { status: 7, message: 'sh: status 7: ' }],
  ['what it said', sh('echo bad disk >&2; exit 1'), { status: 1, message: 'sh: status 1: bad disk' }],
  ['a signal', sh('kill -TERM $$'), { status: null, message: 'sh: killed by SIGTERM: ' }],
] as const

for (const [why, args, error] of failures)
  t.test(`run() tells of ${why}`, async t => {
    await t.rejects(run('sh', args), error)
    t.ok((await run('sh', args).catch((e: unknown) => e)) instanceof ProgramError)
  })

t.test('run() quotes the end of a long complaint', async t => {
  const script = 'printf "%05000d" 0 >&2; echo the end >&2; exit 1'
  const error = (await run('sh', sh(script)).catch((cause: unknown) => cause)) as Error
  t.match(error.message, /the end$/)
  t.ok(error.message.length < 700)
})

t.test('run() tells of a program that is not there', async t => {
  await t.rejects(run('no-such-program', []), {
    message: "Cannot run 'no-such-program'",
    cause: { code: 'ENOENT' },
  })
  await t.rejects(run('cat', ['a\0b']), { code: 'ERR_INVALID_ARG_VALUE' })
})

t.test('run() ends a program that takes too long', async t => {
  const options = { timeoutMs: 20 }
  await t.rejects(run('sleep', ['60'], options), { status: null, message: /no end within 20 ms/ })
  await t.rejects(run('sh', sh('trap "" TERM INT HUP; exec sleep 60'), options), { message: /no end within/ })
})

t.test('run() does not wait for a grandchild that holds the output open', async t => {
  const script = 'sleep 60 & echo $! >&2; exit 0'
  const error = (await run('sh', sh(script), { timeoutMs: 200 }).catch((e: unknown) => e)) as Error
  t.match(error.message, /no end within 200 ms/)
  process.kill(Number(/(\d+)$/.exec(error.message)?.[1]), 'SIGKILL')
})

t.test('run() ends a program that says too much, by either stream', async t => {
  for (const script of ['yes', 'yes >&2'])
    await t.rejects(run('sh', sh(`exec ${script}`)), { status: null, message: /more than 4194304 bytes/ })
})

t.test('run() writes down what it runs, but no input, and nothing when told so', async t => {
  await run('cat', ['-'], { input: 'SECRET' })
  t.match(recentLines(1)[0], /\] \$ cat -$/)
  await run('true', ['unseen'], { quiet: true })
  t.notMatch(recentLines(50).join('\n'), /SECRET|unseen/)
})

t.test('launch() waits for the launcher, not for the output of what it started', async t => {
  const script = `sh -c 'trap "echo late; exit" USR1; echo $$; for n in $(seq 2000); do sleep 0.01; done' & exit 0`
  const launched = Promise.withResolvers<undefined>()
  // The child says its number, and more only when the launcher has ended.
  const read = async (stream: AsyncIterable<Uint8Array>) => {
    let said = ''
    for await (const chunk of stream) {
      said += Buffer.from(chunk).toString()
      await launched.promise
      if (/^\d+\n$/.test(said)) process.kill(Number(said), 'SIGUSR1')
    }
    return said
  }
  const outputs: Promise<string>[] = []
  const onOutput = (stream: AsyncIterable<Uint8Array>) => void outputs.push(read(stream))
  await launch('sh', sh(script), { timeoutMs: 10_000, onOutput })
  launched.resolve(undefined)
  const [out, err] = await Promise.all(outputs)
  t.match(out, /^\d+\nlate\n$/)
  t.equal(err, '')
})

const launchFailures = [
  ['a status', 'sh', sh('exit 4'), 10_000, { message: 'sh: status 4' }],
  ['a launcher that takes too long', 'sleep', ['60'], 20, { message: 'sleep: killed by SIGKILL' }],
  ['no such program', 'no-such-program', [], 10_000, { message: "Cannot run 'no-such-program'" }],
] as const

for (const [why, program, args, timeoutMs, error] of launchFailures)
  t.test(`launch() tells of ${why}, and its streams end`, async t => {
    const ends: Promise<unknown>[] = []
    const onOutput = (stream: AsyncIterable<Uint8Array>) => {
      ends.push(drained(stream).catch(String))
    }
    await t.rejects(launch(program, args, { timeoutMs, onOutput }), error)
    t.equal((await Promise.all(ends)).length, 2)
  })

async function drained(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let chunks = 0
  for await (const chunk of stream) chunks += chunk.length > 0 ? 1 : 0
  return chunks
}
