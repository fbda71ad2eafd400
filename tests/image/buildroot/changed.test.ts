import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { changedPackages, cleanChanged, madeFrom } from '../../../image/buildroot/changed.ts'

const rows: readonly (readonly [what: string, before: object, now: object, changed: readonly string[]])[] = [
  ['nothing of a first build', {}, { linux: 'a' }, []],
  ['nothing that is the same', { linux: 'a' }, { linux: 'a' }, []],
  ['what is another', { linux: 'a', p: 'a' }, { linux: 'b', p: 'a' }, ['linux']],
  ['nothing that is gone', { p: 'a' }, {}, []],
]
for (const [what, before, now, changed] of rows)
  t.test(`changedPackages() has ${what}`, async t =>
    t.same(changedPackages(before as Record<string, string>, now as Record<string, string>), changed),
  )

t.test('what changed is cleaned once, and only after a build has begun with it', async t => {
  const output = t.testdir()
  const goals: string[] = []
  const run = (...args: readonly string[]) => Promise.resolve(goals.push(...args).toString())
  await cleanChanged(run, output, { linux: 'a', p: 'a' })
  await cleanChanged(run, output, { linux: 'b', p: 'a' })
  await cleanChanged(run, output, { linux: 'b', p: 'a' })
  t.same(goals, ['linux-dirclean'])
})

t.test('a clean that fails is tried again by the next build', async t => {
  const output = t.testdir()
  const fail = () => Promise.reject(new Error('interrupted'))
  const goals: string[] = []
  await cleanChanged(fail, output, { p: 'a' })
  await t.rejects(cleanChanged(fail, output, { p: 'b' }), { message: 'interrupted' })
  await cleanChanged((...args) => Promise.resolve(goals.push(...args).toString()), output, { p: 'b' })
  t.same(goals, ['p-dirclean'])
})

t.test('what cannot be read is as if nothing was built', async t => {
  const output = t.testdir()
  await writeFile(join(output, '.orama-made-from.json'), '{"p":')
  await cleanChanged(() => Promise.reject(new Error('cleaned')), output, { p: 'b' })
  t.pass()
})

t.test("the agent is made anew for a test image, the services' programs are not", async t => {
  const packages = ['orama-agent', 'orama-kubo', 'host-orama-go']
  t.same(changedPackages(await madeFrom(packages, false), await madeFrom(packages, true)), ['orama-agent'])
})
