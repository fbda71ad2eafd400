import t from 'tap'
import { faultsAt, hurried } from '../../../agent/system/faults.ts'

const image = globalThis as { ORAMA_TEST_BUILD?: boolean }

const rows = [
  ['one', ['exit@network'], ['exit']],
  ['one of several', ['hurry@shares', 'exit@network'], ['exit']],
  ['two at one place', ['hurry@network', 'exit@network'], ['hurry', 'exit']],
  ['another place', ['exit@networks'], []],
  ['no place', ['exit'], []],
  ['nothing', [''], []],
] as const
for (const [what, wanted, found] of rows)
  t.test(`faults at a place: ${what}`, async t => t.same(faultsAt('network', wanted), found))

t.test('a test image hurries where it was told so, among other faults; an ordinary one never', async t => {
  const wanted = ['wrong@share', 'hurry@shares']
  t.teardown(() => delete image.ORAMA_TEST_BUILD)
  t.equal(hurried(600_000, 'shares', wanted), 600_000)
  image.ORAMA_TEST_BUILD = true
  t.equal(hurried(600_000, 'shares', wanted), 2000)
  t.equal(hurried(600_000, 'clock', wanted), 600_000)
})
