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
  const both = [due.take({ isDeparture: false }), due.take({ isDeparture: false })]
  goOn.resolve(undefined)
  await Promise.all(both)
  t.equal(applied, 2)
  await due.round()
  t.equal(applied, 3)
})

t.test(
  'a burst of news costs two runs, one after the other, and each waits until its own are done',
  async t => {
    const goOn = Promise.withResolvers<undefined>()
    const applied: Due[] = []
    let running = 0
    const due = catchUp(
      async of => {
        t.equal(++running, 1, 'alone')
        applied.push(of)
        if (applied.length === 1) await goOn.promise
        running -= 1
      },
      () => undefined,
    )
    const first = due.take({ isDeparture: false })
    const burst = [false, true, false].map(isDeparture => due.take({ isDeparture }))
    const settled: string[] = []
    void Promise.all(burst).then(() => settled.push('burst'))
    t.same([applied, settled], [[{ isDeparture: false }], []])
    goOn.resolve(undefined)
    await Promise.all([first, ...burst])
    t.same(applied, [{ isDeparture: false }, { isDeparture: true }])
  },
)

t.test(
  'news that come just when the last are done are done as well, before who brought them goes on',
  async t => {
    const applied: Due[] = []
    const due = catchUp(
      of => {
        applied.push(of)
        return Promise.resolve()
      },
      () => undefined,
    )
    const taken = due.take({ isDeparture: false })
    // Each of the turns between the end of the work and whoever waits for it.
    for (let turn = 0; turn < 4; turn++) {
      await Promise.resolve()
      const before = applied.length
      await due.take({ isDeparture: true })
      t.ok(applied.length > before, `turn ${turn}`)
    }
    await taken
  },
)
