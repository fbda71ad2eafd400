import t from 'tap'
import { seccompSwitch } from '../../../agent/services/seccomp-switch.ts'
import type { SeccompMode } from '../../../protocol/requests.ts'

function setUp(state: 'ready' | 'stopped' | 'backoff' = 'ready') {
  const modes = new Map<string, SeccompMode>()
  const restarted: [string, SeccompMode | undefined][] = []
  const supervisor = {
    restart: async (name: string) => void restarted.push([name, modes.get(name)]),
    status: () => ({ one: { state, forMs: 0, restarts: 0 } }),
  }
  return { modes, restarted, ...seccompSwitch(modes, supervisor) }
}

t.test('everything is enforced until it is switched', async t => t.equal(setUp().modeOf('one'), 'enforce'))

t.test('the service is restarted once its sandbox would be made with the other filter', async t => {
  const { set, modeOf, restarted } = setUp()
  await set('one', 'audit')
  await set('one', 'enforce')
  t.same(restarted, [
    ['one', 'audit'],
    ['one', 'enforce'],
  ])
  t.equal(modeOf('one'), 'enforce')
})

t.test('the mode that it has restarts nothing', async t => {
  const { set, restarted } = setUp()
  await set('one', 'enforce')
  t.same(restarted, [])
})

t.test('a service that was stopped stays so, and takes the mode at its next start', async t => {
  const { set, modes, restarted } = setUp('stopped')
  await set('one', 'audit')
  t.same([restarted, modes.get('one')], [[], 'audit'])
})

t.test('a service in back-off is started anew', async t => {
  const { set, restarted } = setUp('backoff')
  await set('one', 'audit')
  t.equal(restarted.length, 1)
})
