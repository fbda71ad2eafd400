import t from 'tap'
import { RegistryAwayError, UnknownOutcomeError } from '../../../../services/gateway/registry/database.ts'
import { onceThere } from '../../../../services/gateway/registry/once-there.ts'

t.test('what needs a registry that is away is done once it is there, and that is said once', async t => {
  const away = [
    new RegistryAwayError('away'),
    new UnknownOutcomeError('cut off'),
    new RegistryAwayError('away'),
  ]
  const left = [...away]
  const said: unknown[] = []
  const act = async () => {
    const cause = left.shift()
    if (cause !== undefined) throw cause
    return 'done'
  }
  t.equal(await onceThere(act, { report: cause => said.push(cause), pauseMs: 0 }), 'done')
  t.same(said, [away[0]])
})

t.test('what is wrong otherwise is not tried again', async t => {
  let tries = 0
  const act = async () => {
    tries += 1
    throw new RangeError('no such table')
  }
  await t.rejects(onceThere(act, { report: () => undefined, pauseMs: 0 }), { message: 'no such table' })
  t.equal(tries, 1)
})
