import t from 'tap'
import { known, newMachine } from '../../../agent/node/machine.ts'
import { holdState } from '../../../agent/node/state.ts'
import { addLogSink, recentLines } from '../../../agent/system/log.ts'

t.test('a node starts as starting, and every change is one console line', async t => {
  const lines: string[] = []
  const remove = addLogSink(line => lines.push(line))
  const state = holdState()
  t.equal(state.current().name, 'starting')
  state.become('locked', 'its owner')
  t.match(state.current(), { name: 'locked', waitingFor: 'its owner' })
  state.become('ready')
  t.match(state.current(), { name: 'ready' })
  t.notOk('waitingFor' in state.current(), 'what it waited for is over')
  remove()
  t.same(lines, ['STATE locked', 'STATE ready'])
  t.match(recentLines(2)[0], /\] state locked: waiting for its owner$/)
})

t.test('a part of the machine that no phase has found yet is an error that names it', async t => {
  const machine = newMachine()
  t.throws(() => known(machine, 'disk'), { message: /Cannot use 'disk'/ })
  machine.data = { kind: 'enrolled' }
  t.same(known(machine, 'data'), { kind: 'enrolled' })
})
