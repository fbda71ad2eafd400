import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { openShareStore } from '../../../agent/guardian/share-store.ts'
import { serveGuardian } from '../../../agent/guardian/socket.ts'
import { closeHttp } from '../../../http/server.ts'
import { startProgram } from '../program.ts'
import { socketPath, unheard } from '../../http/serving.ts'
import { cluster, guardian, key } from '../../agent/guardian/store-samples.ts'

const program = join(import.meta.dirname, '../../../services/guardian/main.ts')
/** Of the loopback network; port 10106 of it is nobody else's. */
const address = '127.106.0.1'

t.test(
  'the program serves port 10106 of its address from the socket of the agent, until SIGTERM',
  async t => {
    const path = await socketPath(t)
    const store = openShareStore({
      cluster,
      nodeId: guardian,
      key,
      read: () => undefined,
      write: () => Promise.resolve(),
    })
    const members = () => ({ cluster, nodeId: guardian, members: [] })
    const agent = await serveGuardian(
      { store, members, exchange: news => Promise.resolve(news) },
      { path, report: unheard },
    )
    t.teardown(() => closeHttp(agent))
    const { child, ended } = startProgram(t, program, [address, path])
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    t.match(line, /^session [\w-]{22} on 127\.106\.0\.1:10106$/)
    const request = httpRequest({
      host: address,
      port: 10_106,
      path: '/v1/guardian/ready',
      agent: false,
    }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    t.same([response.statusCode, await text(response)], [200, '{"ready":true}\n'])
    child.kill('SIGTERM')
    t.same(await ended, [0, null])
  },
)

const refused = [
  ['nothing', []],
  ['no socket', [address]],
  ['no address', ['nowhere', '/run/socket']],
  ['more than it knows', [address, '/run/socket', 'more']],
] as const

for (const [what, args] of refused)
  t.test(`the program does not start with ${what}`, async t => {
    const { child, ended } = startProgram(t, program, args)
    t.match(await text(child.stderr), /^guardian: RangeError: Cannot start: need the WireGuard address/)
    t.same(await ended, [1, null])
  })
