import t from 'tap'
import { type Killing, killInTurn } from '../../../agent/services/kill-in-turn.ts'

const image = globalThis as { ORAMA_TEST_BUILD?: boolean }

/** A supervisor whose services rise again one look after they were killed, and are steady after some more. */
function world(fault: string) {
  const restarts = new Map([
    ['one', 0],
    ['two', 0],
  ])
  const did: string[] = []
  const readyFor = { ms: 0 }
  const fallen = new Set<string>()
  const killing: Killing = {
    faults: fault.split(','),
    supervisor: {
      status: () =>
        Object.fromEntries(
          [...restarts].map(([name, count]) => [
            name,
            { state: 'ready' as const, forMs: 0, restarts: count },
          ]),
        ),
      readyForMs: () => (fallen.size > 0 ? undefined : readyFor.ms),
    },
    kill: async (name, signal) => {
      did.push(`${signal} ${name} after ${readyFor.ms} ms`)
      if (signal === 'STOP') return
      fallen.add(name)
      readyFor.ms = 0
    },
    sleep: async ms => {
      for (const name of fallen) restarts.set(name, (restarts.get(name) ?? 0) + 1)
      fallen.clear()
      readyFor.ms += ms
    },
    log: () => undefined,
  }
  return { killing, did }
}

t.test('a test image kills each service once, when all have been ready for a while', async t => {
  image.ORAMA_TEST_BUILD = true
  t.teardown(() => delete image.ORAMA_TEST_BUILD)
  const { killing, did } = world('kill@services')
  await killInTurn(killing)
  t.same(did, ['KILL one after 3000 ms', 'KILL two after 3000 ms'])
})

t.test('a test image stops all at once, when all have been ready for a while', async t => {
  image.ORAMA_TEST_BUILD = true
  t.teardown(() => delete image.ORAMA_TEST_BUILD)
  const { killing, did } = world('hang@services')
  await killInTurn(killing)
  t.same(did, ['STOP one after 3000 ms', 'STOP two after 3000 ms'])
})

t.test('a test image that was told something else kills nothing', async t => {
  image.ORAMA_TEST_BUILD = true
  t.teardown(() => delete image.ORAMA_TEST_BUILD)
  for (const fault of ['', 'exit@services', 'kill@unlock', 'constructor', '__proto__']) {
    const { killing, did } = world(fault)
    await killInTurn(killing)
    t.same(did, [], fault)
  }
})

t.test('other images kill nothing, whatever they are told', async t => {
  const { killing, did } = world('kill@services')
  await killInTurn(killing)
  t.same(did, [])
})
