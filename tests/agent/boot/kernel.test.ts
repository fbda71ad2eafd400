import { readFileSync } from 'node:fs'
import t from 'tap'
import { setKernel } from '../../../agent/boot/kernel.ts'

t.test('nothing is executed from memory', async t => {
  const root = t.testdir({ vm: { memfd_noexec: '0' } })
  setKernel(root)
  t.equal(readFileSync(`${root}/vm/memfd_noexec`, 'utf8'), '2')
})

t.test('a kernel without the setting is refused', async t =>
  t.throws(() => setKernel(t.testdir({ vm: {} })), { code: 'ENOENT' }),
)
