import t from 'tap'
import { floodGate } from '../../../agent/services/flood.ts'

function setUp() {
  const clock = { ms: 0 }
  const gate = floodGate({ bytesPerSecond: 1000, burstBytes: 500, elapsedMs: () => clock.ms })
  return { clock, gate }
}

const rows = [
  ['a burst fits', [[0, 500, true]]],
  ['more than a burst does not', [[0, 501, false]]],
  [
    'what is refused takes no room',
    [
      [0, 501, false],
      [0, 500, true],
      [0, 1, false],
    ],
  ],
  [
    'time makes room',
    [
      [0, 500, true],
      [99, 100, false],
      [100, 100, true],
    ],
  ],
  [
    'never more room than a burst',
    [
      [1e9, 501, false],
      [1e9, 500, true],
      [1e9, 1, false],
    ],
  ],
  [
    'no bytes always fit',
    [
      [0, 500, true],
      [0, 0, true],
    ],
  ],
] as const
for (const [why, steps] of rows)
  t.test(`the gate: ${why}`, async t => {
    const { clock, gate } = setUp()
    for (const [atMs, bytes, fits] of steps) {
      clock.ms = atMs
      t.equal(gate.admit(bytes), fits, `${bytes} bytes at ${atMs} ms`)
    }
  })
