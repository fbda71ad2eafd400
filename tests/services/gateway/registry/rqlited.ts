import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { globSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { cacheRoot } from '../../../../image/cache.ts'
import type { RqliteNode } from '../../../../services/gateway/registry/rqlite-http.ts'
import { poll } from '../../../e2e/support/poll.ts'

/** The newest rqlited that an image was built with, or the one that ORAMA_RQLITED names. */
export function findRqlited(): string | undefined {
  const own = process.env['ORAMA_RQLITED']
  if (own !== undefined && own !== '') return own
  const built = globSync(join(cacheRoot(), 'services', '*', 'rqlited'))
  return built.toSorted((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs).at(-1)
}

export const password = 'ab'.repeat(32)

/** One rqlited process on loopback, whose data outlives its process. */
export type Rqlited = RqliteNode & {
  /** Where others join it. */
  readonly raft: number
  /** With SIGKILL. */
  readonly kill: () => Promise<void>
  /** Again, on the same data and ports; returns when it has a leader. */
  readonly start: () => Promise<void>
}

/** A node in a folder of its own, ended with the test. With `member` it joins a cluster. */
export async function startRqlited(t: Test, program: string, member?: Joining): Promise<Rqlited> {
  const [http, raft] = [await freePort(), await freePort()]
  const folder = await mkdtemp(join(tmpdir(), 'rqlited-'))
  const auth = `${folder}/auth.json`
  await writeFile(auth, JSON.stringify([{ username: 'orama', password, perms: ['all'] }]))
  const args = [
    `-node-id=${member?.id ?? 'one'}`,
    `-http-addr=127.0.0.1:${http}`,
    `-raft-addr=127.0.0.1:${raft}`,
    `-auth=${auth}`,
    '-join-as=orama',
    ...(member === undefined ? [] : [`-join=127.0.0.1:${member.raft}`]),
    `${folder}/data`,
  ]
  let child: ChildProcess | undefined
  const kill = async () => {
    const running = child
    child = undefined
    if (running?.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    running.kill('SIGKILL')
    await ended
  }
  const start = async () => {
    const started = spawn(program, args, { stdio: 'ignore' })
    child = started
    await poll({
      ask: async () => started.exitCode !== null || (await isReady(http)),
      wanted: over => over,
      what: 'rqlited',
      deadlineMs: 60_000,
      askAgainMs: 50,
    })
    if (started.exitCode !== null) throw new Error(`rqlited ended with status ${started.exitCode}`)
  }
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  await start()
  return { host: '127.0.0.1', port: http, raft, kill, start }
}

type Joining = { readonly id: string; readonly raft: number }

async function isReady(port: number): Promise<boolean> {
  const authorization = `Basic ${Buffer.from(`orama:${password}`).toString('base64')}`
  return fetch(`http://127.0.0.1:${port}/readyz`, { headers: { authorization } }).then(
    answer => answer.ok,
    () => false,
  )
}

/**
 * A port that was free a moment ago, below those that the kernel gives to outgoing connections: nobody takes it while
 * its server is away.
 */
export async function freePort(): Promise<number> {
  const port = randomInt(12_000, 32_000)
  const server = createServer()
  const free = await new Promise<boolean>(resolve => {
    server.once('error', () => {
      resolve(false)
    })
    server.listen(port, '127.0.0.1', () => {
      resolve(true)
    })
  })
  if (!free) return freePort()
  await new Promise(resolve => server.close(resolve))
  return port
}
