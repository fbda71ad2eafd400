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

const calls = [
  ['of the usual port', 'https://gateway.example/', { kind: 'blank' }, [443]],
  ['of another port', 'https://192.0.2.5:8443', { kind: 'blank' }, [8443]],
  ['that the file does not name', undefined, { kind: 'blank' }, []],
  ['once the node is enrolled', 'https://192.0.2.5:8443', { kind: 'enrolled' }, []],
] as const
for (const [what, gateway, data, ports] of calls)
  t.test(`the agent may call ${ports.length > 0 ? 'a gateway' : 'no gateway'} ${what}`, t => {
    const file = { v: 1, ...(gateway === undefined ? {} : { gateway }) } as const
    t.same(publicSide({ ...newMachine(), data, operator: { kind: 'file', file } }).outsideTcp, ports)
    t.end()
  })

t.test('publicSide() decides nothing before the disk is known', t => {
  t.throws(() => publicSide(newMachine()), /has not found it yet/)
  t.end()
})
