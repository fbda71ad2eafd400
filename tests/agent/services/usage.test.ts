import t from 'tap'
import { readUsage } from '../../../agent/services/crun.ts'

const cpu = 'usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n'

t.test('memory is that of now, processor time in seconds', async t => {
  const folder = t.testdir({ 'memory.current': '4096\n', 'cpu.stat': cpu })
  t.same(readUsage(folder), { memoryBytes: 4096, cpuS: 1.235 })
})

const refused = [
  ['no memory file', { 'cpu.stat': cpu }],
  ['no processor file', { 'memory.current': '4096\n' }],
  ['no number', { 'memory.current': 'max\n', 'cpu.stat': cpu }],
  ['no usage', { 'memory.current': '1\n', 'cpu.stat': 'user_usec 5\n' }],
  ['an empty file', { 'memory.current': '', 'cpu.stat': cpu }],
] as const
for (const [why, files] of refused)
  t.test(`usage is refused: ${why}`, async t => {
    const folder = t.testdir(files)
    t.throws(() => readUsage(folder))
  })
