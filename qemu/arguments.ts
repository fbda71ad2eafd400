import type { Acceleration } from './acceleration.ts'
import type { Disk } from './disk.ts'
import { firmwareArguments, type Firmware } from './firmware.ts'

export type DiskBus = 'virtio' | 'nvme' | 'scsi' | 'sata'

/** Everything that QEMU's command line is made of: paths are absolute. */
export type Layout = {
  readonly acceleration: Acceleration
  readonly memoryMib: number
  readonly cpus: number
  readonly monitorSocket: string
  readonly firmware: { readonly image: Firmware; readonly variablesFile: string } | undefined
  readonly disk: Disk | undefined
  readonly diskBus: DiskBus
  readonly port: { readonly tap: string; readonly mac: string } | undefined
  readonly tpmSocket: string | undefined
  readonly watchdog: boolean
  readonly fwCfg: Readonly<Record<string, string>>
  readonly noReboot: boolean
  readonly clock: string | undefined
  readonly kernel: { readonly image: string; readonly commandLine: string } | undefined
  readonly extra: readonly string[]
}

/** QEMU's arguments for a machine: serial port on standard output, monitor on a socket, no display. */
export function qemuArguments(layout: Layout): string[] {
  return [
    ...machineArguments(layout),
    ...(layout.firmware === undefined
      ? []
      : firmwareArguments(layout.firmware.image, layout.firmware.variablesFile)),
    ...diskArguments(layout),
    ...networkArguments(layout),
    ...tpmArguments(layout),
    ...(layout.watchdog ? ['-device', 'i6300esb', '-action', 'watchdog=reset'] : []),
    ...fwCfgArguments(layout.fwCfg),
    ...kernelArguments(layout),
    ...layout.extra,
  ]
}

function machineArguments({ acceleration, firmware, ...layout }: Layout): string[] {
  const smm = firmware?.image.secureBoot === true ? 'on' : 'off'
  return [
    '-nodefaults',
    '-no-user-config',
    ...['-machine', `q35,accel=${acceleration.accelerator},smm=${smm}`, '-cpu', acceleration.cpu],
    ...['-m', `${layout.memoryMib}M`, '-smp', String(layout.cpus)],
    ...['-display', 'none', '-device', 'VGA', '-device', 'virtio-rng-pci'],
    ...['-chardev', 'stdio,id=serial,signal=off', '-serial', 'chardev:serial'],
    ...[
      '-chardev',
      `socket,id=monitor,path=${commas(layout.monitorSocket)}`,
      '-mon',
      'chardev=monitor,mode=control',
    ],
    ...(layout.clock === undefined ? [] : ['-rtc', `base=${commas(layout.clock)}`]),
    ...(layout.noReboot ? ['-no-reboot'] : []),
  ]
}

const diskDevices: Readonly<Record<DiskBus, readonly string[]>> = {
  virtio: ['-device', 'virtio-blk-pci,drive=disk,serial=orama,bootindex=1'],
  nvme: ['-device', 'nvme,drive=disk,serial=orama,bootindex=1'],
  scsi: ['-device', 'virtio-scsi-pci', '-device', 'scsi-hd,drive=disk,serial=orama,bootindex=1'],
  sata: ['-device', 'ide-hd,drive=disk,bus=ide.0,serial=orama,bootindex=1'],
}

// blklogwrites puts a header before the buffers of a write, and fails those that have already as many as writev(2)
// takes: what virtio-blk makes of several requests of the guest. Apart they are also finer places for a power cut.
const unmerged = ['-global', 'virtio-blk-pci.request-merging=off']

function diskArguments({ disk, diskBus }: Layout): string[] {
  if (disk === undefined) return []
  const device = [...diskDevices[diskBus], ...(disk.writeLog === undefined ? [] : unmerged)]
  return ['-blockdev', JSON.stringify(blockNode(disk)), ...device]
}

/** The block node of a disk as QEMU's -blockdev reads it, in JSON: no character of a path has to be escaped. */
export function blockNode({ file, format, writeLog }: Disk): Readonly<Record<string, unknown>> {
  const image = {
    driver: format,
    discard: 'unmap',
    file: { driver: 'file', filename: file, discard: 'unmap' },
  }
  if (writeLog === undefined) return { ...image, 'node-name': 'disk' }
  const log = { driver: 'file', filename: writeLog }
  return { driver: 'blklogwrites', 'node-name': 'disk', discard: 'unmap', file: image, log }
}

function networkArguments({ port }: Layout): string[] {
  if (port === undefined) return ['-nic', 'none']
  return [
    ...['-netdev', `tap,id=net,ifname=${port.tap},script=no,downscript=no`],
    ...['-device', `virtio-net-pci,netdev=net,mac=${port.mac},romfile=`],
  ]
}

function tpmArguments({ tpmSocket }: Layout): string[] {
  if (tpmSocket === undefined) return []
  return [
    ...['-chardev', `socket,id=tpm,path=${commas(tpmSocket)}`],
    ...['-tpmdev', 'emulator,id=tpm0,chardev=tpm', '-device', 'tpm-crb,tpmdev=tpm0'],
  ]
}

function fwCfgArguments(entries: Readonly<Record<string, string>>): string[] {
  return Object.entries(entries).flatMap(([name, text]) => {
    if (!/^opt\/[a-zA-Z0-9./_-]{1,51}$/.test(name))
      throw new RangeError(`Cannot pass '${name}' by fw_cfg: want opt/…`)
    return ['-fw_cfg', `name=${name},string=${commas(text)}`]
  })
}

function kernelArguments({ kernel }: Layout): string[] {
  return kernel === undefined ? [] : ['-kernel', kernel.image, '-append', kernel.commandLine]
}

/** A comma ends a value on QEMU's command line, unless it is doubled. */
function commas(value: string): string {
  return value.replaceAll(',', ',,')
}
