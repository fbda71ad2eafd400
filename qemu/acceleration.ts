import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { cached, hashOf } from '../image/cache.ts'
import { qemuArguments, type Layout } from './arguments.ts'
import { firmwareOf, makeVariables } from './firmware.ts'
import { startProgram } from './program.ts'
import { listenForMonitor } from './monitor.ts'
import { within } from './deadline.ts'
import { workFolder } from './folder.ts'

const schema = z.strictObject({
  accelerator: z.enum(['kvm', 'tcg']),
  cpu: z.string().max(64),
  /** Why not KVM, for people; empty where it works. */
  reason: z.string().max(1000),
})

export type Acceleration = Readonly<z.infer<typeof schema>>

/**
 * All that QEMU can emulate, but for instructions that are slower emulated than what is used in their place: string
 * moves are done byte by byte (the kernel clears pages with them), and AVX2 in several calls each.
 */
export const emulation: Acceleration = { accelerator: 'tcg', cpu: 'max,-erms,-fsrm,-avx2', reason: '' }

// The firmware reaches its boot menu in 2 s under emulation; a guest that hangs costs this much once per boot
// of the host.
const probeDeadlineMs = 8000

let probed: Promise<Acceleration> | undefined

/**
 * KVM where it really runs a machine, else emulation. /dev/kvm may exist, open and even run a boot sector in
 * real mode, while firmware hangs in it: so the firmware itself is booted, up to its first line on the serial
 * port. Asked once per process, and once per boot of the host and QEMU version (kept in the cache folder).
 */
export function probeAcceleration(): Promise<Acceleration> {
  probed ??= readProbe()
  return probed
}

async function readProbe(): Promise<Acceleration> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
  const key = hashOf({ boot, user: String(process.getuid?.()), probe: '1', emulation: emulation.cpu })
  const make = async (folder: string) => {
    await writeFile(join(folder, 'acceleration.json'), JSON.stringify(await tryKvm(probeDeadlineMs)))
  }
  const folder = await cached({ kind: 'acceleration', key, make })
  return schema.parse(JSON.parse(await readFile(join(folder, 'acceleration.json'), 'utf8')))
}

/** Boots the Secure Boot firmware under KVM; never throws, since emulation always remains. */
export async function tryKvm(deadlineMs: number): Promise<Acceleration> {
  const kvm: Acceleration = { accelerator: 'kvm', cpu: 'host', reason: '' }
  try {
    await bootFirmware(kvm, deadlineMs)
    return kvm
  } catch (cause) {
    return { ...emulation, reason: (cause instanceof Error ? cause.message : String(cause)).slice(0, 1000) }
  }
}

/** Boots the firmware without a disk until it prints its first boot option. Rejects if it does not. */
export async function bootFirmware(acceleration: Acceleration, deadlineMs: number): Promise<void> {
  await using folder = await workFolder()
  const image = firmwareOf(true)
  const variablesFile = join(folder.path, 'variables.fd')
  await makeVariables(image, variablesFile)
  const monitorSocket = join(folder.path, 'monitor')
  const port = await listenForMonitor(monitorSocket)
  try {
    const layout = bareLayout({ acceleration, monitorSocket, firmware: { image, variablesFile } })
    await using qemu = await startProgram('qemu-system-x86_64', qemuArguments(layout))
    const printed = untilPrinted(qemu.stdout, /BdsDxe/).then(found => {
      if (!found) throw new Error(`QEMU ended before the firmware printed anything: ${qemu.complaint()}`)
    })
    await within(printed, deadlineMs, `the firmware to print its boot options (${acceleration.accelerator})`)
  } finally {
    port.close()
  }
}

function bareLayout(parts: Pick<Layout, 'acceleration' | 'monitorSocket' | 'firmware'>): Layout {
  const absent = {
    disk: undefined,
    port: undefined,
    tpmSocket: undefined,
    clock: undefined,
    kernel: undefined,
  }
  const small = {
    memoryMib: 256,
    cpus: 1,
    diskBus: 'virtio',
    watchdog: false,
    fwCfg: {},
    noReboot: true,
  } as const
  return { ...absent, ...small, ...parts, extra: [] }
}

async function untilPrinted(stream: AsyncIterable<unknown>, pattern: RegExp): Promise<boolean> {
  let text = ''
  for await (const part of stream) {
    text = (text + String(part)).slice(-65_536)
    if (pattern.test(text)) return true
  }
  return false
}
