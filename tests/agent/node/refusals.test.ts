import t from 'tap'
import { refusalLog } from '../../../agent/node/refusals.ts'
import { HttpError } from '../../../http/error.ts'
import type { Visit } from '../../../http/server.ts'

const command = 'POST /v1/agent/command'

function setUp() {
  const clock = { nowMs: 0 }
  const lines: string[] = []
  const hear = refusalLog({ log: line => lines.push(line), nowMs: () => clock.nowMs })
  const refuse = (from: string | undefined, more: Partial<Visit> = {}, why = 'not the owner') => {
    const visit = { request: { socket: { remoteAddress: from } }, ...more } as unknown as Visit
    hear(visit, new HttpError(403, why, 'sign it'))
  }
  return { clock, lines, refuse }
}

const named: readonly (readonly [string | undefined, Partial<Visit>, string])[] = [
  [
    '10.0.0.9',
    { route: command, what: 'leave' },
    `command: 10.0.0.9 is refused ${command} 'leave' with 403: not the owner`,
  ],
  ['10.0.0.9', { route: command }, `command: 10.0.0.9 is refused ${command} with 403: not the owner`],
  ['10.0.0.9', {}, 'command: 10.0.0.9 is refused what it asked for with 403: not the owner'],
  [undefined, {}, 'command: somebody who has gone is refused what it asked for with 403: not the owner'],
]
for (const [from, visit, line] of named)
  t.test(line, async t => {
    const { lines, refuse } = setUp()
    refuse(from, visit)
    t.same(lines, [line])
  })

t.test('who is refused too often does not fill the log, and others are still named', async t => {
  const { clock, lines, refuse } = setUp()
  for (let at = 0; at < 1000; at++) refuse('10.0.0.9')
  t.equal(lines.length, 33)
  t.equal(lines.at(-1), 'command: what else 10.0.0.9 is refused within a minute is not named')
  refuse('10.0.0.8')
  t.match(lines.at(-1), /10\.0\.0\.8 is refused/)
  clock.nowMs = 60_000
  refuse('10.0.0.9')
  t.match(lines.at(-1), /10\.0\.0\.9 is refused/)
})
