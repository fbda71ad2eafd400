import { inTurn } from '../system/in-turn.ts'
import type { Run } from '../system/run.ts'
import {
  addressesOf,
  bringUpWireguard,
  handshakesS,
  sendPeersTo,
  updateWireguard,
  type WireguardConfig,
  type WireguardPeer,
} from './wireguard.ts'

/** WireGuard with what is known of its sessions. Calls wait for each other. */
export type Tunnel = {
  /**
   * Brings WireGuard up, or up to date where this tunnel did so before; the endpoint of a peer that is in touch stays as
   * WireGuard has learned it. Key, address, network and port are the same in each call.
   */
  readonly apply: (config: WireguardConfig) => Promise<void>
  /** Those of these peers whose last handshake is older than three minutes, or that never had one. */
  readonly silent: <P extends WireguardPeer>(peers: readonly P[]) => Promise<readonly P[]>
  /** Sends those of these peers that are silent to an endpoint, and returns them. */
  readonly aim: <P extends WireguardPeer>(peers: readonly P[], endpoint: string) => Promise<readonly P[]>
}

export type TunnelOf = {
  readonly run: Run
  /** CLOCK_BOOTTIME: the other clock may be set between two looks. */
  readonly bootTimeMs: () => number
  readonly nowMs: () => number
  /** See `bringUpWireguard`. */
  readonly folder?: string
}

/** WireGuard makes a new handshake every two minutes, and takes no packet by one that is older than three. */
const silentMs = 180_000

export function newTunnel(of: TunnelOf): Tunnel {
  const { run, folder } = of
  const { look, isSilent } = watchHandshakes(of)
  const applied = new Map<string, string>()
  const turn = inTurn()
  /** Undefined until the device is up, and where it may have gone. */
  let routes: ReadonlySet<string> | undefined
  const put = async (config: WireguardConfig) => {
    const present = routes
    routes = undefined
    if (present === undefined) await bringUpWireguard(config, run, folder)
    else await updateWireguard({ ...config, present }, run, folder)
    routes = addressesOf(config)
  }
  const apply = async (config: WireguardConfig) => {
    await look()
    // An endpoint from a record may be older than the one from which the peer was last heard.
    const isOld = ({ publicKey, endpoint }: WireguardPeer) =>
      applied.get(publicKey) === endpoint && !isSilent(publicKey)
    const peers = config.peers.map(peer => (isOld(peer) ? { ...peer, endpoint: undefined } : peer))
    await put({ ...config, peers })
    for (const { publicKey, endpoint } of peers) if (endpoint !== undefined) applied.set(publicKey, endpoint)
  }
  const silent = async <P extends WireguardPeer>(peers: readonly P[]) => {
    await look()
    return peers.filter(peer => isSilent(peer.publicKey))
  }
  return {
    apply: config => turn(() => apply(config)),
    silent: peers => turn(() => silent(peers)),
    aim: (peers, endpoint) =>
      turn(async () => {
        const sent = await silent(peers)
        if (sent.length > 0) await sendPeersTo(sent, endpoint, run)
        return sent
      }),
  }
}

type Handshake = { readonly handshakeS: number; readonly atMs: number }

/** When each peer's last handshake was, by the clock that nobody sets. */
function watchHandshakes({ run, bootTimeMs, nowMs }: TunnelOf) {
  const last = new Map<string, Handshake>()
  const look = async () => {
    // Before the device is there, there are no sessions.
    const seen = await handshakesS(run).catch(() => new Map<string, undefined>())
    for (const [key, handshakeS] of seen) {
      if (handshakeS === undefined || last.get(key)?.handshakeS === handshakeS) continue
      const ageMs = Math.max(0, nowMs() - handshakeS * 1000)
      last.set(key, { handshakeS, atMs: bootTimeMs() - ageMs })
    }
    for (const key of last.keys()) if (seen.get(key) === undefined) last.delete(key)
  }
  const isSilent = (key: string) => {
    const handshake = last.get(key)
    return handshake === undefined || bootTimeMs() - handshake.atMs >= silentMs
  }
  return { look, isSilent }
}
