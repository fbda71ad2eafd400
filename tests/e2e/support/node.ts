import { join } from 'node:path'
import { ProgramError } from '../../../agent/system/run.ts'
import { type Disk, makeOverlay } from '../../../qemu/disk.ts'
import { type Machine, startMachine } from '../../../qemu/machine.ts'
import type { MachineOptions } from '../../../qemu/options.ts'
import { type Network, type Port, startNetwork } from '../../../qemu/network.ts'
import { openTpm } from '../../../qemu/tpm.ts'
import type { Program } from '../../../qemu/program.ts'
import type { WireguardPeer } from '../../../qemu/wireguard.ts'
import { enrolledVariables } from './firmware.ts'
import { testFolder } from './folder.ts'
import { keepOnFailure, type Test } from './keep.ts'

export const diskBytes = 4 * 1024 ** 3
export const passphrase = 'a passphrase for tests'

/** How long an emulated machine may take from power-on to a state. */
export const bootMs = 120_000
/** A name that the DNS server of the test network knows, and its address. */
export const [outsideName, outside] = ['outside.test', '192.0.2.77'] as const

/** A network with one machine's place on it, an operator with a wallet, and a disk made from an image. */
export type Site = {
  readonly folder: string
  readonly network: Network
  readonly port: Port
  readonly disk: Disk
  /** Starts the machine of this site on its disk; ended by the test's teardown. */
  readonly boot: (options?: Partial<MachineOptions>) => Promise<Machine>
  /** Runs the `orama` command beside the node; see `Outcome`. */
  readonly orama: (...args: readonly string[]) => Promise<Outcome>
}

export type Outcome = { readonly status: number; readonly out: string; readonly error: string }

/** Makes a site; everything of it ends with the test, and is kept in dist/failed when the test fails. */
export async function makeSite(t: Test, image: string): Promise<Site> {
  const folder = await testFolder(t)
  const network = await startNetwork({ folder, names: { [outsideName]: outside } })
  t.teardown(async () => network[Symbol.asyncDispose]())
  const place = await makePlace(t, { folder, network, image })
  return { folder, network, ...place, orama: operatorOf(network, folder) }
}

/** One machine's place on a network, and its disk. */
export type Place = Pick<Site, 'port' | 'disk' | 'boot'>

/** `name`: of the machine, where several share a folder. */
export async function makePlace(
  t: Test,
  of: { readonly folder: string; readonly network: Network; readonly image: string; readonly name?: string },
): Promise<Place> {
  const { folder, network, image, name = 'node' } = of
  const port = await network.attach()
  const own = name === 'node' ? '' : `${name}-`
  const disk = await makeOverlay(
    { file: image, format: 'qcow2' },
    join(folder, `${own}disk.qcow2`),
    diskBytes,
  )
  const tpm = await openTpm(join(folder, `${own}tpm`))
  const boot = async (options: Partial<MachineOptions> = {}) => {
    const varsFile =
      options.varsFile ?? (await enrolledVariables({ folder, port, tpm, image, own: `${own}enrolled` }))
    const machine = await startMachine({ folder, name, disk, port, tpm, varsFile, ...options })
    // tap runs teardowns from the last to the first: what is kept is kept after the machine has ended.
    keepOnFailure(t, machine)
    t.teardown(async () => machine[Symbol.asyncDispose]())
    return machine
  }
  return { port, disk, boot }
}

const program = join(import.meta.dirname, '../../../bin/orama')

/** The `orama` command of somebody whose configuration lies in `folder`; it runs beside the node. */
export function operatorOf(network: Network, folder: string): Site['orama'] {
  return async (...args) => {
    try {
      const options = { input: `${passphrase}\n`, timeoutMs: 240_000 }
      const out = await network.exec(program, withConfig(folder, args), options)
      return { status: 0, out, error: '' }
    } catch (cause) {
      if (cause instanceof ProgramError && cause.status !== null)
        return { status: cause.status, out: '', error: cause.message }
      throw cause
    }
  }
}

/** Starts the `orama` command of the site's operator, for a test that goes on meanwhile. */
export async function startOrama({ network, folder }: Site, ...args: readonly string[]): Promise<Program> {
  const command = await network.namespace.start(program, withConfig(folder, args))
  command.stdin.end(`${passphrase}\n`)
  return command
}

/** Words of commands that need the wallet; those that go through a gateway may have to sign in. */
const signing = [
  '--env',
  'new',
  'address',
  'enroll',
  'unlock',
  'audit',
  'invite',
  'list',
  'leave',
  'hold',
  'release',
  'evict',
  'report',
  'rekey',
]

function withConfig(folder: string, args: readonly string[]): string[] {
  const withWallet = args.some(a => signing.includes(a))
  return [...args, '--config', join(folder, 'operator'), ...(withWallet ? ['--passphrase-fd', '0'] : [])]
}

/** What a person reads off the console of a node in enrollment mode. */
export type Shown = { readonly code: string; readonly claim: string }

/**
 * Waits until the node is in enrollment mode and reads code and claim word: the first of this boot, or behind a
 * position of the transcript.
 */
export async function readConsole(
  { console }: Machine,
  since: number | 'boot' = 'boot',
  deadlineMs = bootMs,
): Promise<Shown> {
  await console.waitFor('STATE blank\n', deadlineMs)
  const code = await console.waitFor(/^ENROLLMENT CODE: (\w+)$/m, deadlineMs, { since })
  const claim = await console.waitFor(/^CLAIM WORD: (\w+)$/m, deadlineMs, { since: code.end })
  return { code: code.groups[0] ?? '', claim: claim.groups[0] ?? '' }
}

/** Makes the wallet, enrolls the node as genesis and brings up the operator's WireGuard. Throws where that fails. */
export async function enroll(site: Site, machine: Machine): Promise<WireguardPeer> {
  const shown = await readConsole(machine)
  must(await site.orama('wallet', 'new'))
  must(await site.orama(...enrollment(site, shown)))
  return connect(site)
}

/** The command that enrolls the site's node as genesis with what stands on its console. */
export function enrollment({ port }: Site, { code, claim }: Shown): string[] {
  return ['node', 'enroll', '--genesis', '--node-ip', port.address, '--code', code, '--claim', claim]
}

/** Brings up the operator's WireGuard with what the CLI says. */
export async function connect(site: Site): Promise<WireguardPeer> {
  const peer = await site.network.wireguard()
  await peer.configure(must(await site.orama('node', 'wg-config', '--node-ip', site.port.address)))
  return peer
}

/** The output of a command that has to succeed. */
export function must(outcome: Outcome): string {
  if (outcome.status !== 0) throw new Error(`orama ended with ${outcome.status}: ${outcome.error}`)
  return outcome.out
}
