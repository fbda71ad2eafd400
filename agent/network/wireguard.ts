import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ProgramError, type Run } from '../system/run.ts'
import { ip } from './ip.ts'
import { isHostAddress, networkOf } from '../../protocol/ipv4.ts'

export type WireguardPeer = {
  /** 32 bytes in base64, 44 characters. */
  readonly publicKey: string
  /** The one address that it may send from: no other route is ever given to a peer. */
  readonly address: string
  /** 'ip:port', where it is known. */
  readonly endpoint?: string | undefined
}

export type WireguardConfig = {
  /** 32 bytes; the caller wipes it. */
  readonly privateKey: Uint8Array
  readonly address: string
  readonly prefix: number
  readonly listenPort: number
  readonly peers: readonly WireguardPeer[]
}

const device = 'wg0'
const mtu = 1420
const keepaliveS = 25

/**
 * Makes wg0, or brings the one there is up to date: peers that are not listed go. Safe to repeat.
 * `folder` must be in memory: `wg` reads its configuration from a file only (it opens /dev/stdin by name, which
 * fails for the sockets that Node gives its children), and that file holds the private key for milliseconds.
 */
export async function bringUpWireguard(config: WireguardConfig, run: Run, folder = '/run'): Promise<void> {
  await addDevice(run)
  await putPeers(config, run, folder)
  const present = await presentRoutes(run)
  await ip(run, [
    `addr replace ${config.address}/32 dev ${device}`,
    `link set ${device} mtu ${mtu} up`,
    `route replace unreachable ${networkOf(config.address, config.prefix)} metric 4096`,
    ...routeChanges(present, addressesOf(config), 'replace'),
  ])
}

/**
 * The same for a device that this process has brought up with routes to `present` and whose own address is still the
 * same: two programs at most, where bringing it up takes four.
 */
export async function updateWireguard(
  config: WireguardConfig & { readonly present: ReadonlySet<string> },
  run: Run,
  folder = '/run',
): Promise<void> {
  await putPeers(config, run, folder)
  const changes = routeChanges(config.present, addressesOf(config), 'add')
  if (changes.length > 0) await ip(run, changes)
}

/** The addresses of all peers: each has a route. */
export function addressesOf({ peers }: Pick<WireguardConfig, 'peers'>): ReadonlySet<string> {
  return new Set(peers.map(peer => peer.address))
}

async function putPeers(config: WireguardConfig, run: Run, folder: string): Promise<void> {
  const text = configText(config)
  try {
    await withFile(join(folder, `${device}.conf`), text, path => run('wg', ['syncconf', device, path]))
  } finally {
    text.fill(0)
  }
}

/**
 * Unix seconds of the last handshake of each peer by its public key; undefined: never. `wg show dump` would say the
 * private key too, so it is not asked.
 */
export async function handshakesS(run: Run): Promise<ReadonlyMap<string, number | undefined>> {
  const text = await run('wg', ['show', device, 'latest-handshakes'], { quiet: true })
  const lines = text.split('\n').filter(line => line.includes('\t'))
  return new Map(
    lines.map(line => {
      const [key = '', time = ''] = line.split('\t')
      return [key, /^[1-9]\d*$/.test(time) ? Number(time) : undefined]
    }),
  )
}

/**
 * Sends peers that are there already to one endpoint, and has them try a handshake at once. Several may be sent to the
 * same: only the peer that has the key answers. Throws ProgramError.
 */
export async function sendPeersTo(
  peers: readonly Pick<WireguardPeer, 'publicKey'>[],
  endpoint: string,
  run: Run,
): Promise<void> {
  const place = ['endpoint', checkEndpoint(endpoint), 'persistent-keepalive']
  // WireGuard sends at once when keepalive is switched on; else the next try may be half a minute away.
  for (const keepalive of [0, keepaliveS]) {
    const words = peers.flatMap(({ publicKey }) => ['peer', publicKey, ...place, String(keepalive)])
    await run('wg', ['set', device, ...words], { quiet: true })
  }
}

/**
 * The configuration for `wg syncconf`, wg(8). Every field is checked before it becomes a line of it. Bytes, not
 * a string: the caller wipes them.
 */
export function configText(config: WireguardConfig): Buffer {
  if (config.privateKey.length !== 32)
    throw new RangeError(`Cannot use WireGuard key: ${config.privateKey.length} bytes, need 32`)
  checkPort(config.listenPort)
  const head = `[Interface]\nListenPort = ${config.listenPort}\nPrivateKey = `
  const tail = `\n${config.peers.map(peerText).join('')}`
  const text = Buffer.allocUnsafeSlow(head.length + 44 + tail.length)
  text.write(head, 'latin1')
  writeBase64(config.privateKey, text.subarray(head.length))
  text.write(tail, head.length + 44, 'latin1')
  return text
}

function peerText(peer: WireguardPeer): string {
  const { publicKey, address, endpoint } = peer
  if (!/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(publicKey))
    throw new SyntaxError('Cannot use WireGuard peer key')
  if (!isHostAddress(address)) throw new SyntaxError(`Cannot use WireGuard peer address '${address}'`)
  const lines = ['[Peer]', `PublicKey = ${publicKey}`, `AllowedIPs = ${address}/32`]
  if (endpoint !== undefined) lines.push(`Endpoint = ${checkEndpoint(endpoint)}`)
  return [...lines, `PersistentKeepalive = ${keepaliveS}`, ''].join('\n')
}

function checkEndpoint(endpoint: string): string {
  const [, address = '', port = ''] = /^([\d.]{7,15}):(\d{1,5})$/.exec(endpoint) ?? []
  if (!isHostAddress(address)) throw new SyntaxError(`Cannot use WireGuard endpoint '${endpoint}'`)
  checkPort(Number(port))
  return endpoint
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError(`Cannot use port ${port}`)
}

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1')

/** 32 bytes to 44 characters without a string in between. */
function writeBase64(bytes: Uint8Array, into: Uint8Array): void {
  for (let at = 0; at * 6 < bytes.length * 8; at++) {
    const bit = at * 6
    const word = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0)
    into[at] = alphabet[(word >> (10 - (bit & 7))) & 63] ?? 0
  }
  into[43] = '='.charCodeAt(0)
}

async function addDevice(run: Run): Promise<void> {
  try {
    await run('ip', ['link', 'add', device, 'type', 'wireguard'])
  } catch (cause) {
    if (!(cause instanceof ProgramError) || !cause.message.includes('File exists')) throw cause
  }
}

async function withFile(
  path: string,
  content: Uint8Array,
  use: (path: string) => Promise<unknown>,
): Promise<void> {
  await rm(path, { force: true })
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await use(path)
  } finally {
    // The pages in memory first: kernel and firmware may keep freed ones for a while.
    await file.write(Buffer.alloc(content.length), 0, content.length, 0)
    await file.close()
    await rm(path)
  }
}

async function presentRoutes(run: Run): Promise<ReadonlySet<string>> {
  const lines = (await run('ip', ['route', 'show', 'dev', device], { quiet: true })).split('\n')
  return new Set(lines.map(line => line.split(' ')[0] ?? '').filter(address => address !== ''))
}

/**
 * One /32 route a peer, which no wider route from the cable can beat; the rest of the network is unreachable instead of
 * leaving by the default route. `replace`: also those that are there.
 */
function routeChanges(
  present: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
  how: 'add' | 'replace',
): string[] {
  const stale = [...present].filter(address => !wanted.has(address))
  const lacking = [...wanted].filter(address => how === 'replace' || !present.has(address))
  return [
    ...stale.map(address => `route del ${address} dev ${device}`),
    ...lacking.map(address => `route replace ${address}/32 dev ${device}`),
  ]
}
