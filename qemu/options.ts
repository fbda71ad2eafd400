import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { probeAcceleration, type Acceleration } from './acceleration.ts'
import type { DiskBus, Layout } from './arguments.ts'
import type { Disk } from './disk.ts'
import { firmwareOf, makeVariables } from './firmware.ts'
import type { Port } from './network.ts'
import type { Tpm } from './tpm.ts'

export type MachineOptions = {
  /** Existing folder for the console transcript and the firmware's variables. */
  readonly folder: string
  /** Names the files in the folder: machines that share one need different names. */
  readonly name?: string
  readonly disk?: Disk
  readonly diskBus?: DiskBus
  readonly port?: Port
  /** Secure Boot firmware (the default; in setup mode until keys are enrolled) or the plain one. */
  readonly secureBoot?: boolean
  readonly varsFile?: string
  readonly memoryMib?: number
  readonly cpus?: number
  readonly tpm?: Tpm
  /** An i6300esb that resets the machine; there by default, and idle until the guest starts it. */
  readonly watchdog?: boolean
  /** Entries of QEMU's firmware configuration device: `opt/…` → text. */
  readonly fwCfg?: Readonly<Record<string, string>>
  /** End instead of resetting. */
  readonly noReboot?: boolean
  /** What the hardware clock says at start, as RFC 3339 without a zone, in UTC; the host's time by default. */
  readonly clock?: string
  /** Boot this kernel instead of what is on the disk. */
  readonly kernel?: { readonly image: string; readonly commandLine: string }
  readonly acceleration?: Acceleration
  readonly extraArguments?: readonly string[]
  /** Called with what the serial port prints, as it comes. */
  readonly onOutput?: (bytes: Uint8Array) => void
}

/** Files of a machine by what they are; all of them are worth keeping when a test fails. */
export type MachineFiles = Readonly<Record<string, string>> & { readonly console: string }

/** Fills in the defaults, and makes the firmware's variables. Sockets go into their own, short folder. */
export async function layOut(
  options: MachineOptions,
  sockets: string,
): Promise<{ readonly layout: Layout; readonly files: MachineFiles }> {
  const image = firmwareOf(options.secureBoot ?? true)
  const variablesFile =
    options.varsFile ?? join(options.folder, `${nameOf(options)}-${shapeOf(options)}.vars.fd`)
  await makeVariables(image, resolve(variablesFile))
  const layout: Layout = {
    acceleration: options.acceleration ?? (await probeAcceleration()),
    memoryMib: options.memoryMib ?? 768,
    cpus: options.cpus ?? 2,
    monitorSocket: join(sockets, 'monitor'),
    firmware: { image, variablesFile: resolve(variablesFile) },
    diskBus: options.diskBus ?? 'virtio',
    watchdog: options.watchdog ?? true,
    fwCfg: options.fwCfg ?? {},
    noReboot: options.noReboot ?? false,
    extra: options.extraArguments ?? [],
    disk: options.disk,
    port: options.port,
    clock: options.clock,
    kernel: options.kernel,
    tpmSocket: options.tpm === undefined ? undefined : join(sockets, 'tpm'),
  }
  return { layout, files: filesOf(options, resolve(variablesFile)) }
}

export function nameOf({ name = 'node' }: MachineOptions): string {
  return name
}

function filesOf(options: MachineOptions, variables: string): MachineFiles {
  const { disk, tpm } = options
  return {
    console: resolve(options.folder, `${nameOf(options)}.console`),
    variables,
    ...(disk === undefined ? {} : { disk: disk.file }),
    ...(tpm === undefined ? {} : { tpm: tpm.logFile }),
  }
}

/** Machines of one shape have the same devices at the same PCI addresses, and so may share variables. */
function shapeOf({ secureBoot, diskBus, disk, port, tpm, watchdog }: MachineOptions): string {
  const shape = [
    secureBoot ?? true,
    diskBus ?? 'virtio',
    disk?.format,
    port !== undefined,
    tpm !== undefined,
    watchdog,
  ]
  return createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 8)
}
