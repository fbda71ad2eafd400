import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commands } from '../../operator/commands.ts'
import { dispatch } from '../../operator/dispatch.ts'
import { followHttp, sendHttp } from '../../operator/http.ts'
import type { HttpRequest } from '../../operator/http.ts'
import { makeKeystore } from '../../operator/keystore.ts'
import { runProgram } from '../../operator/program.ts'
import type { World } from '../../operator/world.ts'
import { addressOf, publicKeyOf } from '../../protocol/wallet.ts'

export const passphrase = 'correct horse'
export const ownerKey = Buffer.alloc(32, 10)
export const owner = addressOf(publicKeyOf(ownerKey))

/** A configuration folder with the owner's wallet in it, gone at the end of the test. */
export async function configFolder(t: { teardown: (end: () => Promise<void>) => unknown }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'orama-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeWallet(join(folder, 'wallet.json'), ownerKey)
  return folder
}

/** A keystore that opens fast. */
export async function writeWallet(path: string, key: Uint8Array): Promise<void> {
  await writeFile(path, await makeKeystore(key, Buffer.from(passphrase), { n: 2, r: 1, p: 1 }))
}

export type Ran = { readonly code: number; readonly out: string; readonly err: string }
export type Setting = {
  readonly config: string
  readonly now?: Date
  /** Port on this machine for each port that the command asks for. */
  readonly ports?: Readonly<Record<string, number>>
  /** What a person types at each question, in order; without it there is no terminal. */
  readonly typed?: readonly string[]
  readonly world?: Partial<World>
}

/** Runs a command line as `main.ts` does, in a world of its own. */
export async function orama(setting: Setting, ...argv: readonly string[]): Promise<Ran> {
  const written = { out: '', err: '' }
  const typed = [...(setting.typed ?? [])]
  const world: World = {
    env: { HOME: '/nonexistent' },
    isTerminal: setting.typed !== undefined,
    isOutTerminal: false,
    onInterrupt: () => () => undefined,
    out: text => (written.out += text),
    err: text => (written.err += text),
    now: () => setting.now ?? new Date('2026-11-21T08:01:00Z'),
    // In this world nothing takes long.
    later: () => () => undefined,
    http: request => sendHttp(redirect(request, setting)),
    follow: (request, onText) => followHttp(redirect(request, setting), onText),
    ask: () => Promise.resolve(Buffer.from(typed.shift() ?? '')),
    readFd: () => Promise.resolve(Buffer.from(`${passphrase}\n`)),
    run: runProgram,
    ...setting.world,
  }
  const code = await dispatch(world, commands, [...argv, '--config', setting.config])
  return { code, ...written }
}

/** The addresses of nodes lead to this machine; a port that is not in the table is closed. */
function redirect(request: HttpRequest, setting: Setting): HttpRequest {
  const url = new URL(request.url)
  const port = setting.ports?.[url.port === '' ? '443' : url.port] ?? 1
  return { ...request, url: request.url.replace(url.host, `127.0.0.1:${port}`) }
}
