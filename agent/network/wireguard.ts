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

export type WireguardPeerStatus = {
  readonly publicKey: string
  readonly endpoint?: string
  /** Unix seconds of the last handshake; undefined: never. */
  readonly handshakeS?: number
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
  const text = configText(config)
  try {
    await addDevice(run)
    await withFile(join(folder, `${device}.conf`), text, path => run('wg', ['syncconf', device, path]))
  } finally {
    text.fill(0)
  }
  await ip(run, [
    `addr replace ${config.address}/32 dev ${device}`,
    `link set ${device} mtu ${mtu} up`,
    ...(await routeCommands(config, run)),
  ])
}

/** Endpoints and handshakes of all peers. `wg show dump` would say the private key too, so it is not asked. */
export async function wireguardStatus(run: Run): Promise<WireguardPeerStatus[]> {
  const handshakes = await run('wg', ['show', device, 'latest-handshakes'], { quiet: true })
  const endpoints = parsePairs(await run('wg', ['show', device, 'endpoints'], { quiet: true }))
  return [...parsePairs(handshakes)].map(([publicKey, time]) => {
    const endpoint = endpoints.get(publicKey)
    return {
      publicKey,
      ...(endpoint === undefined || endpoint === '(none)' ? {} : { endpoint }),
      ...(/^[1-9]\d*$/.test(time) ? { handshakeS: Number(time) } : {}),
    }
  })
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

/**
 * One /32 route a peer, which no wider route from the cable can beat; the rest of the network is unreachable
 * instead of leaving by the default route.
 */
async function routeCommands(config: WireguardConfig, run: Run): Promise<string[]> {
  const wanted = new Set(config.peers.map(peer => peer.address))
  const lines = (await run('ip', ['route', 'show', 'dev', device], { quiet: true })).split('\n')
  const present = lines.map(line => line.split(' ')[0] ?? '').filter(address => address !== '')
  const stale = present.filter(address => !wanted.has(address))
  return [
    `route replace unreachable ${networkOf(config.address, config.prefix)} metric 4096`,
    ...stale.map(address => `route del ${address} dev ${device}`),
    ...[...wanted].map(address => `route replace ${address}/32 dev ${device}`),
  ]
}

function parsePairs(text: string): Map<string, string> {
  const lines = text.split('\n').filter(line => line.includes('\t'))
  return new Map(lines.map(line => [line.split('\t')[0] ?? '', line.split('\t')[1] ?? '']))
}
