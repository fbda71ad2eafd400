import { z } from 'zod'
import type { Machine } from '../../../qemu/machine.ts'
import type { Range } from './raw-disk.ts'

const devices = z.array(z.object({ qdev: z.string(), inserted: z.object({ 'node-name': z.string() }) }))

/**
 * Writes zeros to the disk of a running machine, below the guest: what a failing disk or a torn write of somebody
 * else would do after the firmware has read, and perhaps repaired, it. The machine stands still meanwhile.
 */
export async function zeroWhileRunning({ monitor }: Machine, { offset, bytes }: Range): Promise<void> {
  await monitor.pause()
  const all = z.array(z.unknown()).parse(await monitor.execute('query-block'))
  const disk = all.flatMap(one => devices.safeParse([one]).data ?? []).find(isDisk)
  if (disk === undefined) throw new Error('Cannot overwrite: the machine has no disk')
  const command = `qemu-io -d ${disk.qdev} "write -z ${offset} ${bytes}"`
  await monitor.execute('human-monitor-command', { 'command-line': command })
  await monitor.resume()
}

function isDisk(device: z.infer<typeof devices>[number]): boolean {
  return device.inserted['node-name'] === 'disk'
}
