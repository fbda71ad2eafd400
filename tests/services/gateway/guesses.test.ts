import t from 'tap'
import { invited, newWaiting, requestFor } from './enroll/played-waiting.ts'
import { running } from './enroll/running.ts'

// A thousand TLS handshakes take a while on a busy machine.
t.setTimeout(240_000)

const session = await newWaiting()
// All of them unknown; that some come again makes none of them likelier.
const tokens = Array.from({ length: 25 }, () => JSON.stringify(requestFor(session, invited())))

const guessed: readonly (readonly [string, (at: number) => readonly [string, string, { body?: string }?]])[] =
  [
    ['codes', () => ['GET', '/v1/node/hello?code=00000000']],
    ['tokens', at => ['POST', '/v1/node/enroll', { body: tokens[at % tokens.length] ?? '' }]],
  ]

for (const [what, guess] of guessed)
  t.test(`of 1,000 guesses of ${what} few are judged`, async t => {
    t.setTimeout(120_000)
    const { ask, agent } = await running(t, { changes: { rates: {} } })
    const statuses: number[] = []
    for (let at = 0; at < 1000; at += 20)
      await Promise.all(
        Array.from({ length: 20 }, async (_, more) => {
          statuses.push((await ask(...guess(at + more))).status)
        }),
      )
    const judged = statuses.filter(one => one === 404).length
    t.equal(statuses.length, 1000)
    // Ten at once, and one in two seconds: this many only after half an hour.
    t.ok(judged >= 10 && judged < 500, `${judged} were judged`)
    t.same([...new Set(statuses)].toSorted(), [404, 429])
    t.same(agent.asked, [])
  })
