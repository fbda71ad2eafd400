import t from 'tap'
import { catchUp, type Due } from '../../../agent/cluster/catch-up.ts'

/** What is to be done fails so many times. */
function failing(times: number) {
  const applied: Due[] = []
  const failures: unknown[] = []
  const due = catchUp(
    async of => {
      applied.push(of)
      if (applied.length <= times) throw new Error('wg: busy')
      return Promise.resolve()
    },
    cause => failures.push(cause),
  )
  return { due, applied, failures }
}

t.test('what could be done is not done again', async t => {
  const { due, applied } = failing(0)
  await due.round()
  await due.take({ isDeparture: false })
  await due.round()
  t.same(applied, [{ isDeparture: false }])
})

t.test('what failed is done with the next rounds, until it succeeds', async t => {
  const { due, applied, failures } = failing(2)
  await due.take({ isDeparture: true })
  for (let round = 0; round < 4; round++) await due.round()
  t.same(applied, [{ isDeparture: true }, { isDeparture: true }, { isDeparture: true }])
  t.match(failures, [{ message: 'wg: busy' }, { message: 'wg: busy' }])
})

t.test('a departure that failed is not forgotten over other news', async t => {
  const { due, applied } = failing(1)
  await due.take({ isDeparture: true })
  await due.take({ isDeparture: false })
  await due.round()
  t.same(applied, [{ isDeparture: true }, { isDeparture: true }])
})

t.test('news that come while others are carried out are not taken for done', async t => {
  const goOn = Promise.withResolvers<undefined>()
  let applied = 0
  const due = catchUp(
    async () => {
      const turn = ++applied
      if (turn === 1) await goOn.promise
      if (turn === 2) throw new Error('wg: busy')
    },
    () => undefined,
  )
  const first = due.take({ isDeparture: false })
  await due.take({ isDeparture: false })
  goOn.resolve(undefined)
  await first
  await due.round()
  t.equal(applied, 3)
})
