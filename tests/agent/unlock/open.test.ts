import t from 'tap'
import { copyFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { run, type Run } from '../../../agent/system/run.ts'
import { realWorld, rehearse } from '../../../agent/unlock/open.ts'
import { damageCopy, formattedFile } from './luks-samples.ts'

const sample = await formattedFile(t.testdir())

async function volume(t: { testdir(): string }) {
  const folder = t.testdir()
  const device = join(folder, 'data.img')
  await copyFile(sample.device, device)
  return { device, name: 'rehearsed', mountPoint: '/nowhere', headerFile: join(folder, 'header') }
}

t.test('rehearse() comes as far as the secret, opens nothing, and leaves no file', async t => {
  const on = await volume(t)
  const calls: string[] = []
  const recorded: Run = (program, args, options) => {
    calls.push([program, ...args].join(' '))
    return run(program, args, options)
  }
  await t.resolves(rehearse(realWorld(recorded), on))
  t.equal(calls.length, 1)
  t.match(calls[0], /^cryptsetup open --test-passphrase /)
  t.strictSame(await readdir(t.testdirName), ['data.img'])
})

t.test('rehearse() throws for a header that is not to be used', async t => {
  const on = await volume(t)
  for (const copy of ['primary', 'secondary'] as const) await damageCopy(on.device, copy)
  await t.rejects(rehearse(realWorld(run), on), SyntaxError)
})

t.test('rehearse() throws where cryptsetup cannot be run', async t => {
  const failing: Run = () => Promise.reject(new Error('Cannot run'))
  await t.rejects(rehearse(realWorld(failing), await volume(t)), { message: 'Cannot run' })
})
