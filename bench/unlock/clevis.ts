import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { access, mkdir, readdir, readFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { basename, join } from 'node:path'
import * as z from 'zod'
import { ProgramError, run } from '../../agent/system/run.ts'

const count = 3
const threshold = 2
const address = '127.0.0.1'
const tangd = '/usr/libexec/tangd'
const tangKeygen = '/usr/libexec/tangd-keygen'

/** Programs of the peers, and the Debian packages that they come with. */
const needed: Readonly<Record<string, string>> = { '/usr/bin/clevis': 'clevis', [tangd]: 'tang-common' }

/** The Debian packages of those programs (by path) that are not there; by default of all that `startClevis` runs. */
export async function missingPackages(programs = needed): Promise<readonly string[]> {
  const missing = Object.entries(programs).map(async ([program, name]) =>
    access(program).then(
      () => [],
      () => [name],
    ),
  )
  return (await Promise.all(missing)).flat()
}

export type Clevis = {
  /** Has `clevis decrypt` make the secret of the answers of two tang servers: true where it did, and rightly. */
  readonly decrypt: () => Promise<boolean>
  /** From here on the first server answers at once, in the right form, with a key that is not the right one. */
  readonly lie: () => Promise<void>
}

/** Three tang servers, and a secret that any two of them open; `stack` ends the servers. */
export async function startClevis(
  folder: string,
  secret: Buffer,
  stack: AsyncDisposableStack,
): Promise<Clevis> {
  const servers = await Promise.all(
    Array.from({ length: count }, (_, at) => startTang(join(folder, `tang-${at}`), stack)),
  )
  const tang = servers.map(({ port, thumbprint }) => ({ url: `http://${address}:${port}`, thp: thumbprint }))
  const policy = JSON.stringify({ t: threshold, pins: { tang } })
  const input = secret.toString('hex')
  const sealed = await run('clevis', ['encrypt', 'sss', policy], { input, quiet: true })
  const [first] = servers
  return {
    decrypt: async () => {
      const opened = await run('clevis', ['decrypt'], { input: sealed, quiet: true }).catch(noSecret)
      return opened === input
    },
    lie: async () => {
      if (first !== undefined) await replaceByLiar(first, stack)
    },
  }
}

/** It ended with an error, or not in 30 s. */
function noSecret(cause: unknown): undefined {
  if (!(cause instanceof ProgramError)) throw cause
}

type Tang = { readonly server: Server; readonly port: number; readonly thumbprint: string }

/** A tangd for each connection, as systemd starts it by Debian's tangd.socket. */
async function startTang(folder: string, stack: AsyncDisposableStack): Promise<Tang> {
  await mkdir(folder)
  await run(tangKeygen, [folder], { quiet: true })
  const running = new Set<ChildProcess>()
  const server = createServer({ pauseOnConnect: true }, socket => {
    socket.on('error', () => undefined)
    const child = spawn(tangd, [folder], { stdio: [socket, socket, 'ignore'] })
    running.add(child)
    child.on('close', () => {
      running.delete(child)
      socket.destroy()
    })
  })
  server.listen(0, address)
  await once(server, 'listening')
  stack.defer(() => {
    server.close()
    for (const child of running) child.kill('SIGKILL')
  })
  const { port } = server.address() as AddressInfo
  return { server, port, thumbprint: await signingThumbprint(folder) }
}

const keySchema = z.looseObject({ alg: z.string() })

/** Of the key that signs the server's advertisement: tang names its files so. */
async function signingThumbprint(folder: string): Promise<string> {
  for (const name of await readdir(folder)) {
    const { alg } = keySchema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')))
    if (alg === 'ES512') return basename(name, '.jwk')
  }
  throw new Error(`Cannot find the signing key of tang in '${folder}'`)
}

async function replaceByLiar({ server, port }: Tang, stack: AsyncDisposableStack): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  await closed
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
  const body = JSON.stringify({ alg: 'ECMR', key_ops: ['deriveKey'], ...publicKey.export({ format: 'jwk' }) })
  const liar = createHttpServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/jwk+json' }).end(body)
  })
  liar.listen(port, address)
  await once(liar, 'listening')
  stack.defer(() => {
    liar.close()
  })
}
