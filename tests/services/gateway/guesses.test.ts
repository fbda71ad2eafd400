import t from 'tap'
import { running } from './enroll/running.ts'

// A thousand TLS handshakes take a while on a busy machine.
t.setTimeout(120_000)

t.test('of 1,000 guesses few are judged', async t => {
  t.setTimeout(120_000)
  const gateway = await running(t, { changes: { rates: {} } })
  const statuses: number[] = []
  for (let at = 0; at < 1000; at += 20)
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        statuses.push((await gateway.ask('GET', '/v1/node/hello?code=00000000')).status)
      }),
    )
  const judged = statuses.filter(one => one === 404).length
  t.equal(statuses.length, 1000)
  // Ten at once, and one in two seconds: this many only after half an hour.
  t.ok(judged >= 10 && judged < 500, `${judged} were judged`)
  t.same([...new Set(statuses)].toSorted(), [404, 429])
})
