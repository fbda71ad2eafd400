import { rmSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { atExit } from './cleanup.ts'
import { untilExists } from './deadline.ts'
import { workFolder } from './folder.ts'
import type { Namespace } from './namespace.ts'

/** The host's side of a WireGuard network, in a namespace. */
export type WireguardPeer = AsyncDisposable & {
  readonly interface: string
  /** Takes a configuration of `wg setconf` or `wg-quick`; only keys, peers and addresses of it are used. */
  readonly configure: (config: string) => Promise<void>
  /** `wg show <interface> <what>`, such as 'latest-handshakes'. */
  readonly show: (what: 'latest-handshakes' | 'endpoints' | 'transfer' | 'public-key') => Promise<string>
}

const socketFolder = '/var/run/wireguard'
const startDeadlineMs = 10_000
let started = 0

/** Starts wireguard-go: host kernels of build machines often have no WireGuard. */
export async function startWireguard(namespace: Namespace): Promise<WireguardPeer> {
  started += 1
  // The control socket's folder is the whole host's, so the name has to be unique there; 15 bytes at most.
  const name = `wg${process.pid.toString(36)}-${started}`
  const socket = `${socketFolder}/${name}.sock`
  await mkdir(socketFolder, { recursive: true })
  await rm(socket, { force: true })
  const release = atExit(() => {
    rmSync(socket, { force: true })
  })
  const env = { WG_PROCESS_FOREGROUND: '1' }
  const program = await namespace.start('wireguard-go', ['-f', name], { env })
  const died = program.exited.then(() => {
    throw new Error(`Cannot start wireguard-go: ${program.complaint()}`)
  })
  await Promise.race([untilExists(socket, startDeadlineMs), died])
  died.catch(() => undefined)
  await namespace.exec('ip', ['link', 'set', name, 'mtu', '1420', 'up'])
  const dispose = async () => {
    await program.stop()
    await rm(socket, { force: true })
    release()
  }
  return {
    interface: name,
    configure: config => configure(namespace, { name, config }),
    show: what => namespace.exec('wg', ['show', name, what]),
    [Symbol.asyncDispose]: dispose,
  }
}

async function configure(namespace: Namespace, peer: { name: string; config: string }): Promise<void> {
  const { addresses, config } = splitConfig(peer.config)
  // Not by /dev/stdin: Node gives its children sockets, which cannot be opened by a path (ENXIO).
  await using folder = await workFolder()
  const file = join(folder.path, 'wireguard')
  await writeFile(file, config, { mode: 0o600 })
  await namespace.exec('wg', ['setconf', peer.name, file])
  for (const address of addresses)
    await namespace.exec('ip', ['address', 'replace', address, 'dev', peer.name])
}

const quickKeys = ['address', 'dns', 'mtu', 'table', 'preup', 'postup', 'predown', 'postdown', 'saveconfig']

/** Divides a wg-quick file into what `wg setconf` takes and the addresses; commands in it are never run. */
export function splitConfig(text: string): {
  readonly addresses: readonly string[]
  readonly config: string
} {
  const addresses: string[] = []
  const kept = text.split('\n').filter(line => {
    const [key = '', value = ''] = line.split('=', 2).map(part => part.trim())
    if (key.toLowerCase() === 'address') addresses.push(...value.split(',').map(part => part.trim()))
    return !quickKeys.includes(key.toLowerCase())
  })
  return { addresses, config: kept.join('\n') }
}
