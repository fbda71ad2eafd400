import { readFileSync } from 'node:fs'
import type { Run } from '../../../agent/system/run.ts'

type Session = { endpoint?: string | undefined; handshakeS: number }

/** WireGuard of one machine: what `wg` and `ip` have made of it. */
export type FakeMachine = {
  readonly publicKey: string
  /** `address:port` on the outside; undefined while it is off. */
  endpoint: string | undefined
  readonly peers: Map<string, Session>
  readonly run: Run
  /** Each call of `wg` that changes something. */
  readonly calls: string[]
}

/** A network of machines that know each other by key: who sends to the right place has a session. */
export function fakeWireguard(nowMs: () => number) {
  const machines: FakeMachine[] = []
  const at = (endpoint: string | undefined) =>
    endpoint === undefined ? undefined : machines.find(one => one.endpoint === endpoint)
  const shake = (from: FakeMachine, key: string) => {
    const to = at(from.peers.get(key)?.endpoint)
    const [there, back] = [from.peers.get(key), to?.peers.get(from.publicKey)]
    if (from.endpoint === undefined || to?.publicKey !== key || there === undefined || back === undefined)
      return
    // Each goes by where the other was last heard from.
    back.endpoint = from.endpoint
    there.handshakeS = back.handshakeS = Math.floor(nowMs() / 1000)
  }
  const shakeAll = () => {
    for (const one of machines) for (const key of one.peers.keys()) shake(one, key)
  }
  return {
    machines,
    add: (publicKey: string, endpoint: string): FakeMachine => {
      const peers: FakeMachine['peers'] = new Map()
      const calls: string[] = []
      const run = fakeRun({ peers, calls, shakeAll })
      const machine = { publicKey, endpoint, peers, run, calls }
      machines.push(machine)
      return machine
    },
    /** True where a packet gets from one to the other, and back. */
    isConnected: (from: FakeMachine, to: FakeMachine) => {
      const [there, back] = [from.peers.get(to.publicKey), to.peers.get(from.publicKey)]
      const isYoung = nowMs() / 1000 - (there?.handshakeS ?? 0) < 180
      return isYoung && at(there?.endpoint) === to && at(back?.endpoint) === from
    },
    shakeAll,
  }
}

type Acts = Pick<FakeMachine, 'peers' | 'calls'> & { readonly shakeAll: () => void }

function fakeRun({ peers, calls, shakeAll }: Acts): Run {
  return (program, args) => {
    const [verb, , what = ''] = args
    if (program !== 'wg') return Promise.resolve('')
    if (verb === 'show') {
      // As in the kernel, which tries every few seconds.
      shakeAll()
      return Promise.resolve(shown(peers, what))
    }
    calls.push(['wg', ...args].join(' '))
    if (verb === 'syncconf') sync(peers, readFileSync(what, 'utf8'))
    else setPeers(peers, args.slice(2))
    shakeAll()
    return Promise.resolve('')
  }
}

function shown(peers: FakeMachine['peers'], what: string): string {
  const lines = [...peers].map(([key, { endpoint, handshakeS }]) =>
    [key, what === 'endpoints' ? (endpoint ?? '(none)') : handshakeS].join('\t'),
  )
  return lines.map(line => `${line}\n`).join('')
}

/** As `wg syncconf` does: a peer without a line for its endpoint keeps the one it has. */
function sync(peers: FakeMachine['peers'], text: string): void {
  const wanted = new Map(
    text
      .split('[Peer]\n')
      .slice(1)
      .map(part => [/^PublicKey = (.*)$/m.exec(part)?.[1] ?? '', /^Endpoint = (.*)$/m.exec(part)?.[1]]),
  )
  for (const key of peers.keys()) if (!wanted.has(key)) peers.delete(key)
  for (const [key, endpoint] of wanted) {
    const before = peers.get(key)
    peers.set(key, { handshakeS: 0, ...before, endpoint: endpoint ?? before?.endpoint })
  }
}

/** `wg set`: peer KEY endpoint PLACE persistent-keepalive S … */
function setPeers(peers: FakeMachine['peers'], words: readonly string[]): void {
  for (let at = 0; at < words.length; at += 6) {
    const [, key = '', , endpoint] = words.slice(at, at + 6)
    peers.set(key, { handshakeS: 0, ...peers.get(key), endpoint })
  }
}
