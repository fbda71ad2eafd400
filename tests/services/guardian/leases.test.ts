import t from 'tap'
import { newLeases } from '../../../services/guardian/leases.ts'
import { newClock } from './clock.ts'

type Step = 'renew' | 'end' | number

const rows: readonly (readonly [string, readonly Step[], number, boolean])[] = [
  ['none was ever there', [], 0, false],
  ['it has just been taken', ['renew'], 60_000, false],
  ['half a minute has gone', ['renew', 30_000], 30_000, false],
  ['a minute but a millisecond has gone', ['renew', 59_999], 1, false],
  ['a minute has gone', ['renew', 60_000], 0, true],
  ['an hour has gone', ['renew', 3_600_000], 0, true],
  ['it was renewed', ['renew', 45_000, 'renew', 45_000], 15_000, false],
  ['it was renewed after it ran out', ['renew', 90_000, 'renew'], 60_000, false],
  ['the node said goodbye', ['renew', 'end'], 0, false],
  ['the node said goodbye, and a minute has gone', ['renew', 'end', 90_000], 0, false],
  ['the node said goodbye after it ran out', ['renew', 90_000, 'end'], 0, false],
  ['the node said goodbye and came back', ['renew', 'end', 'renew'], 60_000, false],
]

for (const [when, steps, leftMs, ranOut] of rows)
  t.test(`a lease where ${when}: ${leftMs} ms left${ranOut ? ', ran out' : ''}`, async t => {
    const clock = newClock()
    const leases = newLeases(clock.nowMs)
    leases.renew('other')
    for (const step of steps)
      if (typeof step === 'number') clock.ms += step
      else leases[step]('node')
    t.same([leases.leftMs('node'), leases.ranOut('node')], [leftMs, ranOut])
  })
