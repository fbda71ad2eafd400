import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Run } from '../system/run.ts'
import { networkOf } from '../../protocol/ipv4.ts'

/** What the firewall depends on; a change of any of it means a new rule set. */
export type FirewallState = {
  /** True until the owner has enrolled the node: 9999 is open. Never true again afterwards. */
  readonly enrollmentOpen: boolean
  /** True where addresses come by DHCP. */
  readonly dhcp: boolean
  /** TCP ports that the agent itself calls outside: the gateway's, the update origin's. */
  readonly outsideTcp: readonly number[]
  readonly wireguard?: WireguardSide
  readonly services: readonly FirewallService[]
}

export type WireguardSide = { readonly address: string; readonly prefix: number; readonly listenPort: number }

export type FirewallPort = {
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  /** `public`: whoever can reach the node, also by WireGuard. */
  readonly on: 'wireguard' | 'loopback' | 'public'
}

export type FirewallService = {
  readonly name: string
  readonly uid: number
  readonly ports: readonly FirewallPort[]
  /** Services of this node that it may call. */
  readonly requires: readonly string[]
  /**
   * 'wireguard': it may call its own ports on other nodes; 'dns': port 53 outside; 'agents': the agents of this node and
   * of others; 'public': nodes outside that wait for their owner.
   */
  readonly egress: readonly ('wireguard' | 'dns' | 'agents' | 'public')[]
}

/** Agent and update chunks: called by UID 0 alone, but for services that may call agents. */
export const agentOnlyPorts = { chunks: 9997, agent: 9998 } as const
/** Of the one service that agents call on other nodes; no service of this one may, it has its own socket. */
export const guardianPort = 10_106
const enrollmentPort = 9999

/**
 * The whole rule set as text for `nft -f`: default drop in every chain; from outside a closed port answers
 * nothing at all. One transaction: the old table goes and the new one comes, or nothing changes.
 */
export function firewallRules(state: FirewallState): string {
  return [
    'table ip orama',
    'delete table ip orama',
    'table ip orama {',
    ...chain('input', inputRules(state)),
    ...chain('forward', []),
    ...chain('output', outputRules(state)),
    '}',
    '',
  ].join('\n')
}

let written = 0

/**
 * Replaces the rule set. Throws ProgramError, and then the old rules still stand. By a file in `folder`, in memory:
 * some versions of nft open /dev/stdin by name, which fails for the sockets that Node gives its children.
 */
export async function applyFirewall(state: FirewallState, run: Run, folder = '/run'): Promise<void> {
  const path = join(folder, `firewall-${(written += 1)}.nft`)
  try {
    await writeFile(path, firewallRules(state), { mode: 0o600, flag: 'wx' })
    await run('nft', ['-f', path])
  } finally {
    await rm(path, { force: true })
  }
}

function chain(hook: string, rules: readonly string[]): string[] {
  const head = `    type filter hook ${hook} priority 0; policy drop;`
  return [`  chain ${hook} {`, head, ...rules.map(rule => `    ${rule}`), '  }']
}

function inputRules(state: FirewallState): string[] {
  const { wireguard } = state
  const rules = ['iifname "lo" accept', 'ct state invalid drop', 'ct state { established, related } accept']
  if (state.dhcp) rules.push('iifname != { "lo", "wg0" } udp sport 67 udp dport 68 accept')
  if (state.enrollmentOpen) rules.push(`iifname != { "lo", "wg0" } tcp dport ${enrollmentPort} accept`)
  if (wireguard === undefined) return rules
  rules.push(`iifname != { "lo", "wg0" } udp dport ${wireguard.listenPort} accept`)
  rules.push(...ports(state, ['public']).map(port => `iifname != { "lo", "wg0" } ${port} accept`))
  // Only by wg0 and only from its network: a neighbour on the cable can send any source address.
  const fromPeers = `iifname "wg0" ip saddr ${network(wireguard)} ip daddr ${wireguard.address}`
  rules.push(`${fromPeers} tcp dport ${set(Object.values(agentOnlyPorts))} accept`)
  rules.push(...ports(state, ['wireguard', 'public']).map(port => `${fromPeers} ${port} accept`))
  return rules
}

/** What of the services is open on such a side, as matches of a rule. */
function ports({ services }: FirewallState, on: readonly FirewallPort['on'][]): string[] {
  return (['tcp', 'udp'] as const).flatMap(protocol => {
    const open = services.flatMap(service => on.flatMap(side => portsOf(service, protocol, side)))
    return open.length > 0 ? [`${protocol} dport ${set(open)}`] : []
  })
}

function outputRules(state: FirewallState): string[] {
  const { wireguard } = state
  const rules = ['ct state invalid drop', ...foreignReplies(state), 'ct state established accept']
  // A DHCP server must not be able to pull the cluster's network over to the cable.
  if (wireguard !== undefined) rules.push(`ip daddr ${network(wireguard)} oifname != { "lo", "wg0" } drop`)
  rules.push('meta skuid 0 oifname "lo" accept')
  rules.push(...state.services.flatMap(service => serviceRules(service, state)))
  // Between processes of the node a refusal may be told, and must be: they would wait for ever.
  rules.push(
    'oifname "lo" ct state related accept',
    'oifname "lo" meta l4proto tcp reject with tcp reset',
    'oifname "lo" reject',
  )
  if (wireguard !== undefined) rules.push('meta skuid 0 oifname "wg0" accept', 'oifname "wg0" drop')
  if (state.dhcp) rules.push('meta skuid 0 udp sport 68 udp dport 67 accept')
  rules.push('meta skuid 0 udp dport { 53, 123 } accept', 'meta skuid 0 tcp dport 53 accept')
  if (state.outsideTcp.length > 0) rules.push(`meta skuid 0 tcp dport ${set(state.outsideTcp)} accept`)
  // WireGuard's socket is the kernel's own and has no UID; no service can bind a port that is taken.
  if (wireguard !== undefined) rules.push(`udp sport ${wireguard.listenPort} accept`)
  return rules
}

/**
 * Whoever listens on a port that is not theirs, while its owner restarts, say, never gets an answer out: no
 * connection comes to be, and nobody tells them a password.
 */
function foreignReplies({ services }: FirewallState): string[] {
  const rules = [`tcp sport ${set(Object.values(agentOnlyPorts))} meta skuid != 0 drop`]
  for (const { uid, ports } of services)
    for (const protocol of ['tcp', 'udp'] as const) {
      const own = ports.filter(p => p.protocol === protocol).map(p => p.port)
      if (own.length > 0) rules.push(`${protocol} sport ${set(own)} meta skuid != ${uid} drop`)
    }
  return rules
}

/** What one service may begin: calls to itself and to what it requires, and what its egress names. */
function serviceRules(service: FirewallService, { wireguard, services }: FirewallState): string[] {
  const callable = services.filter(
    other => other.name === service.name || service.requires.includes(other.name),
  )
  const rules: string[] = []
  for (const protocol of ['tcp', 'udp'] as const) {
    const local = callable.flatMap(other => portsOf(other, protocol))
    const own = wireguard === undefined ? '127.0.0.0/8' : `{ 127.0.0.0/8, ${wireguard.address} }`
    const from = `meta skuid ${service.uid}`
    if (local.length > 0)
      rules.push(`${from} oifname "lo" ip daddr ${own} ${protocol} dport ${set(local)} accept`)
    if (wireguard === undefined || !service.egress.includes('wireguard')) continue
    const remote = portsOf(service, protocol, 'wireguard')
    const toPeers = `${from} oifname "wg0" ip daddr ${network(wireguard)}`
    if (remote.length > 0) rules.push(`${toPeers} ${protocol} dport ${set(remote)} accept`)
  }
  return [...rules, ...egressRules(service, wireguard)]
}

/** Calls beyond services of its own kind. Nobody but UID 0 answers from the agent's port: see `foreignReplies`. */
function egressRules({ uid, egress }: FirewallService, wireguard: WireguardSide | undefined): string[] {
  const outside = `meta skuid ${uid} oifname != { "lo", "wg0" }`
  const rules: string[] = []
  if (egress.includes('dns'))
    for (const protocol of ['udp', 'tcp']) rules.push(`${outside} ${protocol} dport 53 accept`)
  if (egress.includes('public')) rules.push(`${outside} tcp dport ${enrollmentPort} accept`)
  if (egress.includes('agents') && wireguard !== undefined) {
    const toAgent = `tcp dport ${agentOnlyPorts.agent} accept`
    rules.push(
      `meta skuid ${uid} oifname "lo" ip daddr ${wireguard.address} ${toAgent}`,
      `meta skuid ${uid} oifname "wg0" ip daddr ${network(wireguard)} ${toAgent}`,
    )
  }
  return rules
}

function portsOf(service: FirewallService, protocol: 'tcp' | 'udp', on?: FirewallPort['on']): number[] {
  const closed: readonly number[] = Object.values(agentOnlyPorts)
  return service.ports
    .filter(p => p.protocol === protocol && (on === undefined || p.on === on) && !closed.includes(p.port))
    .map(p => p.port)
}

function network(side: WireguardSide): string {
  return networkOf(side.address, side.prefix)
}

function set(ports: readonly number[]): string {
  return `{ ${[...new Set(ports)].sort((a, b) => a - b).join(', ')} }`
}
