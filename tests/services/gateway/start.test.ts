import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { recordsOf } from '../../../protocol/cluster/membership.ts'
import { signInKeys } from '../../../services/gateway/sign-in.ts'
import { startGateway } from '../../../services/gateway/start.ts'
import { offer } from './enroll/played-agent.ts'
import { memoryRegistry, origin } from './enroll/running.ts'
import { certificate, logBook } from './gateway.ts'
import { gatewayKey } from './samples.ts'

const everyMs = 5000
// For good: a timer that is left behind is to fail its test, and not to keep this process alive.
mock.timers.enable({ apis: ['setTimeout'] })

/** A gateway to start on a port, with timers that the test moves, and how often it has looked at its agent. */
async function beforeStart(t: Test) {
  const registry = await memoryRegistry(t)
  const unused = () => Promise.reject(new Error('Cannot have nodes join: none does'))
  let looks = 0
  const news = async () => {
    looks += 1
    return { membership: recordsOf(await registry.members.membership()), endpoints: [] }
  }
  const start = (port: number) =>
    startGateway({
      ...{ address: '127.0.0.1', port, version: '0.1.0', origin, certificate, offer, registry },
      signInKeys: signInKeys(gatewayKey),
      network: { address: '10.0.0.1', prefix: 24 },
      agent: {
        news,
        tell: () => Promise.resolve(),
        met: () => Promise.resolve(),
        cluster: unused,
        join: unused,
        joined: unused,
      },
      write: logBook().write,
      changes: { everyMs },
    })
  return { registry, start, looks: () => looks }
}

t.test('a gateway looks at its agent as it starts, and again and again until it is closed', async t => {
  const { start, looks } = await beforeStart(t)
  const gateway = await start(0)
  t.equal(looks(), 1)
  mock.timers.tick(everyMs)
  t.equal(looks(), 2)
  await gateway.close()
  mock.timers.tick(10 * everyMs)
  t.equal(looks(), 2)
})

t.test('one whose port is taken leaves nothing behind that would keep its process alive', async t => {
  const { start, looks, registry } = await beforeStart(t)
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  await t.rejects(start((other.address() as AddressInfo).port), { code: 'EADDRINUSE' })
  mock.timers.tick(10 * everyMs)
  t.equal(looks(), 1)
  await t.resolves(registry.members.membership(), 'the registry is still open')
})
