import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { within } from './deadline.ts'
import { makeNamespace, type Namespace } from './namespace.ts'
import type { Program } from './program.ts'
import { startWireguard, type WireguardPeer } from './wireguard.ts'

/** One machine's place on the network. It stays the same over restarts, and so does the address by DHCP. */
export type Port = {
  readonly namespace: string
  readonly tap: string
  readonly mac: string
  readonly address: string
}

/** A bridge with the host at 192.0.2.1 and machines from 192.0.2.101 on, in a namespace of its own. */
export type Network = AsyncDisposable & {
  readonly namespace: Namespace
  readonly hostAddress: string
  readonly exec: Namespace['exec']
  /** A new port for a machine; at most 99. */
  readonly attach: () => Promise<Port>
  /** Unplugs a port's cable or plugs it in again. */
  readonly setLink: (port: Port, state: 'up' | 'down') => Promise<void>
  /** Lets no connection reach a TCP port of a machine, as a firewall before it would. */
  readonly shield: (port: Port, tcpPort: number) => Promise<void>
  /** What time the SNTP responder says: the host's plus this. */
  readonly setTimeOffset: (offsetMs: number) => Promise<void>
  /** Records packets of the bridge into a file (pcap) until the program is stopped; a filter as tcpdump takes it. */
  readonly capture: (file: string, filter?: readonly string[]) => Promise<Program>
  readonly wireguard: () => Promise<WireguardPeer>
}

export type NetworkOptions = {
  /** Existing folder for leases and logs. */
  readonly folder: string
  readonly dhcp?: boolean
  readonly sntp?: boolean
  /** Names that the DNS server of the network knows, with their IPv4 addresses. */
  readonly names?: Readonly<Record<string, string>>
  /** Further arguments of dnsmasq, such as `--dhcp-option=…`. */
  readonly dnsmasqArguments?: readonly string[]
}

const hostAddress = '192.0.2.1'
const bridge = 'br0'
const portsMax = 99
const readyDeadlineMs = 10_000

/** Starts a network: bridge, DHCP and DNS (dnsmasq), SNTP. All of it ends with its block. Needs root. */
export async function startNetwork(options: NetworkOptions): Promise<Network> {
  await using stack = new AsyncDisposableStack()
  const namespace = stack.use(await makeNamespace())
  await makeBridge(namespace)
  if (options.dhcp !== false) stack.use(await startDhcp(namespace, options))
  const clock = options.sntp === false ? undefined : stack.use(await startClock(namespace))
  let ports = 0
  const attach = () => {
    ports += 1
    return addPort(namespace, ports)
  }
  const setTimeOffset = (offsetMs: number) => {
    if (clock === undefined) throw new Error('Cannot set the time: this network has no SNTP responder')
    return clock.setOffset(offsetMs)
  }
  const owned = stack.move()
  return {
    namespace,
    hostAddress,
    exec: namespace.exec,
    attach,
    setLink: async ({ tap }, state) => {
      await namespace.exec('ip', ['link', 'set', tap, state])
    },
    shield: async ({ tap }, tcpPort) => {
      await namespace.exec('nft', ['-f', '-'], { input: shielding(tap, tcpPort) })
    },
    setTimeOffset,
    capture: async (file, filter = []) => owned.use(await startCapture(namespace, resolve(file), filter)),
    wireguard: async () => owned.use(await startWireguard(namespace)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function makeBridge({ exec }: Namespace): Promise<void> {
  await exec('ip', ['link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0'])
  await exec('ip', ['address', 'add', `${hostAddress}/24`, 'dev', bridge])
  await exec('ip', ['link', 'set', bridge, 'up'])
}

/** MAC and address of a port by its number, from 1. */
export function placeOf(number: number): { readonly mac: string; readonly address: string } {
  if (number < 1 || number > portsMax)
    throw new RangeError(`Cannot attach machine ${number}: ${portsMax} at most`)
  return { mac: `52:54:00:4f:52:${number.toString(16).padStart(2, '0')}`, address: `192.0.2.${100 + number}` }
}

async function addPort({ name, exec }: Namespace, number: number): Promise<Port> {
  const place = placeOf(number)
  const tap = `tap${number}`
  await exec('ip', ['tuntap', 'add', 'dev', tap, 'mode', 'tap'])
  await exec('ip', ['link', 'set', tap, 'master', bridge, 'up'])
  return { namespace: name, tap, ...place }
}

/** For nft: what machines send each other passes the bridge, what the host sends leaves it. */
function shielding(tap: string, tcpPort: number): string {
  const chains = ['forward', 'output'].flatMap(hook => [
    `add chain bridge shields ${hook} { type filter hook ${hook} priority 0; }`,
    `add rule bridge shields ${hook} oifname "${tap}" tcp dport ${tcpPort} drop`,
  ])
  return ['add table bridge shields', ...chains, ''].join('\n')
}

/** Arguments of dnsmasq: 2 minutes of lease, this host as router, DNS and NTP server; nothing of the host's files. */
export function dhcpArguments({ folder, names = {}, dnsmasqArguments = [] }: NetworkOptions): string[] {
  const hosts = Array.from({ length: portsMax }, (_, index) => placeOf(index + 1))
  return [
    // As a daemon, even in the foreground, it sets its user and groups, and would outlive a killed owner.
    ...['--no-daemon', '--conf-file=/dev/null', '--no-hosts', '--no-resolv', '--user=root', '--pid-file='],
    ...[`--interface=${bridge}`, '--bind-interfaces', '--no-ping', '--dhcp-authoritative', '--log-dhcp'],
    ...[`--dhcp-leasefile=${join(folder, 'leases')}`, `--log-facility=${join(folder, 'dnsmasq.log')}`],
    '--dhcp-range=192.0.2.200,192.0.2.250,255.255.255.0,2m',
    ...hosts.map(({ mac, address }) => `--dhcp-host=${mac},${address},2m`),
    ...[`--dhcp-option=option:ntp-server,${hostAddress}`, `--dhcp-option=option:dns-server,${hostAddress}`],
    ...Object.entries(names).map(([name, address]) => `--host-record=${name},${address}`),
    ...dnsmasqArguments,
  ]
}

async function startDhcp(namespace: Namespace, options: NetworkOptions): Promise<Program> {
  const folder = resolve(options.folder)
  const program = await namespace.start('dnsmasq', dhcpArguments({ ...options, folder }))
  const died = program.exited.then(() => {
    throw new Error(`Cannot start DHCP: ${program.complaint()}; its log is in ${folder}/dnsmasq.log`)
  })
  // Its sockets are open before anyone can ask: machines start later, and DHCP clients repeat themselves. What
  // must be known here is only that it has not refused its arguments.
  await Promise.race([namespace.exec('ip', ['link', 'show', bridge]), died])
  died.catch(() => undefined)
  return program
}

type Clock = AsyncDisposable & { readonly setOffset: (offsetMs: number) => Promise<void> }

async function startClock(namespace: Namespace): Promise<Clock> {
  const script = join(import.meta.dirname, 'sntp.ts')
  const program = await namespace.start(process.execPath, [script, '--address', hostAddress])
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
  const expect = async (wanted: string) => {
    const { value } = await within(lines.next(), readyDeadlineMs, `the SNTP responder to say '${wanted}'`)
    if (value !== wanted) throw new Error(`Cannot use the SNTP responder: ${value ?? program.complaint()}`)
  }
  await expect('ready').catch(async (cause: unknown) => {
    await program.stop()
    throw cause
  })
  const setOffset = async (offsetMs: number) => {
    program.stdin.write(`${offsetMs}\n`)
    await expect(`offset ${offsetMs}`)
  }
  return { setOffset, [Symbol.asyncDispose]: program[Symbol.asyncDispose] }
}

async function startCapture(namespace: Namespace, file: string, filter: readonly string[]): Promise<Program> {
  // -U: every packet is in the file at once; -Z root: the file may be in a folder that only we can write.
  const args = ['-i', bridge, '-n', '-s', '0', '-U', '-Z', 'root', '-w', file, ...filter]
  const program = await namespace.start('tcpdump', args)
  await within(listening(program), readyDeadlineMs, 'tcpdump to listen').catch(async (cause: unknown) => {
    await program.stop()
    throw cause
  })
  return program
}

async function listening(program: Program): Promise<void> {
  const { promise, resolve: done, reject } = Promise.withResolvers<undefined>()
  program.onComplaint(text => {
    if (text.includes('listening on')) done(undefined)
  })
  void program.exited.then(() => {
    reject(new Error(`Cannot capture packets: ${program.complaint()}`))
  })
  await promise
}
