import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import t from 'tap'
import { untilExists, within } from '../../qemu/deadline.ts'
import { workFolder } from '../../qemu/folder.ts'
import { startProgram } from '../../qemu/program.ts'

t.test('startProgram() tells how a program ended and what it complained of', async t => {
  await using program = await startProgram(process.execPath, [
    '-e',
    'console.error("no such disk"); process.exit(3)',
  ])
  t.same(await program.exited, { status: 3, signal: null })
  t.equal(program.complaint(), 'no such disk')
})

t.test('stop() ends a program that ignores SIGTERM', async t => {
  const deaf = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6); console.log("up")'
  const program = await startProgram(process.execPath, ['-e', deaf])
  await once(program.stdout, 'data')
  t.same(await program.stop(1), { status: null, signal: 'SIGKILL' })
})

t.test('kill() ends a program, and does nothing to one that has ended', async t => {
  const program = await startProgram(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'])
  t.same(await program.kill(), { status: null, signal: 'SIGKILL' })
  t.same(await program.kill(), { status: null, signal: 'SIGKILL' })
})

t.test('startProgram() fails, by its exit, for a program that is not there', async t => {
  await using program = await startProgram('no-such-program', [])
  t.equal((await program.exited).status, 127)
  t.match(program.complaint(), 'no-such-program')
})

const owner = `
  import { startProgram } from ${JSON.stringify(join(import.meta.dirname, '../../qemu/program.ts'))}
  import { workFolder } from ${JSON.stringify(join(import.meta.dirname, '../../qemu/folder.ts'))}
  const folder = await workFolder()
  const program = await startProgram(process.execPath, ['-e', 'console.log("up"); setInterval(() => {}, 1e6)'])
  await new Promise(resolve => program.stdout.once('data', resolve))
  console.log(program.pid + ' ' + folder.path)
`

for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const)
  t.test(`nothing outlives an owner that ends by ${signal}`, async t => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', owner], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: child.stdout })
    const [line] = (await once(lines, 'line')) as [string]
    const [pid = '', folder = ''] = line.split(' ')
    t.ok(existsSync(`/proc/${pid}`), 'it runs')
    child.kill(signal)
    await once(child, 'close')
    await gone(pid)
    // Files are what a SIGKILL leaves behind.
    t.equal(existsSync(folder), signal === 'SIGKILL', 'its folder is removed')
    await rm(folder, { recursive: true, force: true })
  })

/** The kernel kills the orphan a moment after its owner has ended; who reaps it, and when, is not ours to say. */
async function gone(pid: string): Promise<void> {
  while (await lives(pid)) await new Promise(resolve => setImmediate(resolve))
}

async function lives(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return /\) [^ZX]/.test(stat)
}

t.test('within() gives the result, the failure, or says what did not happen', async t => {
  t.equal(await within(Promise.resolve(7), 60_000, 'seven'), 7)
  await t.rejects(within(Promise.reject(new Error('broken')), 60_000, 'seven'), { message: 'broken' })
  await t.rejects(within(new Promise(() => undefined), 1, 'seven'), { message: 'Waited 1 ms in vain: seven' })
})

t.test('untilExists() waits for a file, and sees one that is there already', async t => {
  await using folder = await workFolder()
  const file = join(folder.path, 'file')
  await t.rejects(untilExists(file, 1), /in vain: .*file to appear/)
  const waiting = untilExists(file, 60_000)
  await writeFile(join(folder.path, 'other'), '')
  await writeFile(file, '')
  await waiting
  await untilExists(file, 60_000)
  t.pass()
})
