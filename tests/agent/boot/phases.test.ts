import t from 'tap'
import { type Phase, runPhases } from '../../../agent/boot/phases.ts'
import { recentLines } from '../../../agent/system/log.ts'

const phase = (name: string, required = true, error?: Error): Phase<string[]> => ({
  name,
  required,
  run: async done => {
    await Promise.resolve()
    if (error !== undefined) throw error
    done.push(name)
  },
})

t.test('phases run one after the other, each with its time in the log', async t => {
  const done: string[] = []
  const sync: Phase<string[]> = { name: 'two', required: true, run: all => void all.push('two') }
  await runPhases([phase('one'), sync, phase('three')], done)
  t.same(done, ['one', 'two', 'three'])
  const lines = recentLines(3)
  t.match(lines[0], /phase one: \d+ ms$/)
  t.match(lines[2], /phase three: \d+ ms$/)
})

t.test('a required phase that fails ends the boot with its name and its cause', async t => {
  const done: string[] = []
  const cause = new Error('no disk')
  const phases = [phase('one'), phase('two', true, cause), phase('three')]
  await t.rejects(runPhases(phases, done), { message: 'phase two failed', cause })
  t.same(done, ['one'])
})

t.test('a phase that throws at once is named too', async t => {
  const run = () => {
    throw new RangeError('bad')
  }
  await t.rejects(runPhases([{ name: 'one', required: true, run }], []), { message: 'phase one failed' })
})

t.test('one that is not required is written down with all its causes, and the boot goes on', async t => {
  const done: string[] = []
  const error = new Error('no clock', { cause: new Error('no answer') })
  await runPhases([phase('one', false, error), phase('two')], done)
  t.same(done, ['two'])
  t.match(recentLines(2)[0], /phase one failed, going on: no clock: no answer$/)
})
