import { join } from 'node:path'
import { makeOverlay } from '../qemu/disk.ts'
import { startMachine } from '../qemu/machine.ts'
import { makeDebianDisk } from './debian.ts'
import { imageKernel } from './kernel.ts'
import { median } from './median.ts'

const boots = 3
const bootDeadlineMs = 180_000

const commandLine = [
  'console=ttyS0,115200 loglevel=4 panic=5 root=/dev/vda rootfstype=ext4 rw',
  'init=/usr/lib/systemd/systemd systemd.unit=multi-user.target',
  'systemd.log_target=console systemd.log_level=info systemd.show_status=no',
].join(' ')

/** Seconds from kernel start until systemd has reached multi-user.target, on our kernel: the median of three boots. */
export async function systemdReadyS(folder: string): Promise<number> {
  const kernel = { image: await imageKernel(), commandLine }
  const base = { file: await makeDebianDisk(folder), format: 'raw' } as const
  const times: number[] = []
  for (let boot = 1; boot <= boots; boot++) {
    const disk = await makeOverlay(base, join(folder, `debian-${boot}.qcow2`))
    const name = `systemd-${boot}`
    await using machine = await startMachine({ folder, name, disk, kernel, secureBoot: false })
    const { text } = await machine.console.waitFor(/Startup finished in .*\n/, bootDeadlineMs)
    times.push(startupS(text))
  }
  return median(times)
}

/**
 * The time since kernel start in systemd's line `Startup finished in 5.1s (firmware) + 834ms (kernel) + 1min
 * 2.5s (userspace) = …`; firmware and loader are not counted. Throws SyntaxError if a part is not there.
 */
export function startupS(line: string): number {
  const part = (name: string) => {
    const text = new RegExp(`((?:[0-9.]+(?:min|s|ms) ?)+)\\(${name}\\)`).exec(line)?.[1]
    if (text === undefined) throw new SyntaxError(`Cannot read '${line.trim().slice(0, 200)}': no ${name}`)
    const units: Readonly<Record<string, number>> = { min: 60, s: 1, ms: 0.001 }
    const spans = [...text.matchAll(/([0-9.]+)(min|ms|s)/g)]
    return spans.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0)
  }
  return part('kernel') + part('userspace')
}
