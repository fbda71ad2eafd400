import t from 'tap'
import { makeEnvironment, makeVariables } from '../../../image/buildroot/make.ts'

t.test('root may configure everything, others are not asked', async t => {
  t.equal(makeEnvironment(0)['FORCE_UNSAFE_CONFIGURE'], '1')
  t.notOk('FORCE_UNSAFE_CONFIGURE' in makeEnvironment(1000))
})

t.test("what our own make was told is not Buildroot's", async t => {
  for (const name of ['MAKEFLAGS', 'BASE', 'TEST']) t.equal(makeEnvironment(1000)[name], '')
})

t.test('makeVariables() takes what printvars says, and nothing for what it does not', async t => {
  const run = () => Promise.resolve('A=1\nAB=2\nB=x=y\n')
  t.same(await makeVariables(run, ['A', 'B', 'C']), { A: '1', B: 'x=y', C: '' })
})
