import t from 'tap'
import type { DataState } from '../../../agent/disk/blank.ts'
import { newMachine } from '../../../agent/node/machine.ts'
import { publicSide } from '../../../agent/node/network.ts'

const states: readonly (readonly [DataState, boolean])[] = [
  [{ kind: 'blank' }, true],
  [{ kind: 'pending' }, true],
  // Nobody can be enrolled there, and port 9999 has to say so.
  [{ kind: 'foreign', found: 'xfs' }, true],
  [{ kind: 'enrolled' }, false],
]

for (const [data, open] of states)
  t.test(
    `port 9999 is ${open ? 'open' : 'closed'} to the outside where the data partition is ${data.kind}`,
    t => {
      t.equal(publicSide({ ...newMachine(), data, operator: { kind: 'none' } }).enrollmentOpen, open)
      t.end()
    },
  )

t.test('publicSide() decides nothing before the disk is known', t => {
  t.throws(() => publicSide(newMachine()), /has not found it yet/)
  t.end()
})
