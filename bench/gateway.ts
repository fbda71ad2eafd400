import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import * as z from 'zod'
import { challengeSchema, composeLogin, tokensSchema } from '../protocol/login.ts'
import { bundle } from '../image/bundle.ts'
import { workFolder } from '../qemu/folder.ts'
import { startProgram } from '../qemu/program.ts'
import { authority, signedBy } from '../tests/protocol/cluster/sample.ts'
import { answered, ratesOf, type Target } from './gateway/load.ts'
import { agentPlace, benchCertificate, serverName } from './gateway/place.ts'
import { fillRegistry } from './gateway/registered.ts'
import type { Values } from './table.ts'

/** A cluster has at most 256 members. */
const nodes = 250
const load = { connections: 8, requests: 400, rounds: 5 }
const program = 'bench/gateway/program.ts'

/** Figures of a gateway on this machine alone; it and each peer are processes of their own, and so is the client. */
export async function gatewayFigures(): Promise<Values> {
  await using folder = await workFolder()
  const file = join(folder.path, 'program.cjs')
  await writeFile(file, (await bundle(program)).text)
  const [small, large] = [join(folder.path, 'small.db'), join(folder.path, 'large.db')]
  const before = await fillRegistry(small, 0)
  const after = await fillRegistry(large, nodes)
  const id = after.nodes.get(agentPlace.host)?.nodeId ?? ''
  await using stack = new AsyncDisposableStack()
  const start: Start = args =>
    startServer(args[0] === 'gateway' ? [...asInImages, file] : [file], args, stack)
  const { memoryBytes } = await start(['gateway', small, authority.address])
  const gateway = await start(['gateway', large, authority.address])
  const added = after.bytes - before.bytes + gateway.memoryBytes - memoryBytes
  return {
    ...(await speeds(gateway.port, id, start)),
    gateway_mb_per_1000: (added / nodes / 1e6) * 1000,
  }
}

async function speeds(port: number, id: string, start: Start): Promise<Values> {
  await start(['agent'])
  const { certificate } = await benchCertificate()
  const tls = { host: '127.0.0.1', ca: certificate, servername: serverName }
  const authorization = `Bearer ${await signIn({ ...tls, port })}`
  const portOf = async (kind: string) => (await start([kind])).port
  const target = (name: string, options: Target['options'], more: Partial<Target> = {}): Target => {
    return { name, scheme: 'https', kept: true, options, ...more }
  }
  const status = { ...tls, port, path: '/v1/status' }
  const proxied = { ...tls, port, path: `/v1/node/status?node_id=${id}`, headers: { authorization } }
  const rates = await ratesOf(
    [
      target('gateway', status),
      target('http', { host: tls.host, port: await portOf('http') }, { scheme: 'http' }),
      target('https', { ...tls, port: await portOf('https') }),
      target('gateway closing', status, { kept: false }),
      target('gateway to node', proxied),
      target('https to node', { ...tls, port: await portOf('https-proxy') }),
    ],
    load,
  )
  return ratios(rates)
}

/** Of answers a second, by the names of the targets. Throws RangeError where one was not measured. */
export function ratios(rates: ReadonlyMap<string, number>): Values {
  const of = (name: string): number => {
    const rate = rates.get(name)
    if (rate === undefined) throw new RangeError(`Cannot compare rates: '${name}' was not measured`)
    return rate
  }
  return {
    gateway_ratio: of('gateway') / of('http'),
    gateway_vs_https: of('gateway') / of('https'),
    gateway_proxied_ratio: of('gateway to node') / of('https to node'),
    gateway_closing_ratio: of('gateway closing') / of('gateway'),
  }
}

const startedSchema = z.strictObject({ port: z.number(), memoryBytes: z.number() })

/** Starts one of the servers of gateway/program.ts, until the stack ends. */
type Start = (args: readonly string[]) => Promise<z.infer<typeof startedSchema>>

/** services/gateway/service.json. */
const asInImages = ['--jitless']

async function startServer(node: readonly string[], args: readonly string[], stack: AsyncDisposableStack) {
  const running = await startProgram(process.execPath, ['--no-warnings', '--expose-gc', ...node, ...args])
  stack.defer(async () => {
    await running.stop()
  })
  const ended = running.exited.then(() => {
    throw new Error(`Cannot start server '${args[0] ?? ''}': ${running.complaint()}`)
  })
  const first = once(createInterface(running.stdout), 'line') as Promise<[string]>
  const [line] = await Promise.race([first, ended])
  ended.catch(() => undefined)
  running.stdout.resume()
  return startedSchema.parse(JSON.parse(line))
}

/** A token of the cluster's authority. */
async function signIn(gateway: Target['options']): Promise<string> {
  const post = async (path: string, value: unknown): Promise<unknown> => {
    const headers = { 'content-type': 'application/json' }
    const options = { ...gateway, method: 'POST', path, headers, agent: false }
    return JSON.parse(await answered('https', options, JSON.stringify(value)))
  }
  const challenge = challengeSchema.parse(
    await post('/v1/operator/challenge', { address: authority.address }),
  )
  const login = signedBy(authority, composeLogin(challenge))
  return tokensSchema.parse(await post('/v1/operator/login', login)).token
}
