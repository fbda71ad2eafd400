import { tool } from '../../../image/step.ts'
import type { Disk } from '../../../qemu/disk.ts'
import { partitionOf } from './raw-disk.ts'

/** The files on the EFI system partition of a raw disk, by mtools: no mount, no loop device. */
export type EspFiles = {
  /** Names in a folder, such as 'EFI/Linux', sorted. */
  readonly list: (folder: string) => Promise<readonly string[]>
  /** Copies a file of the ESP to the host. */
  readonly fetch: (path: string, to: string) => Promise<void>
  /** Copies a file of the host to the ESP, over what is there. */
  readonly put: (from: string, path: string) => Promise<void>
  readonly remove: (path: string) => Promise<void>
}

export async function espFiles(disk: Disk): Promise<EspFiles> {
  const { offset } = await partitionOf(disk, 'esp')
  const on = ['-i', `${disk.file}@@${offset}`]
  const mtools = (program: string, ...args: readonly string[]) =>
    tool(program, [...args], { env: { MTOOLS_SKIP_CHECK: '1' } })
  return {
    list: async folder => {
      const text = await mtools('mdir', '-b', ...on, `::${folder}`)
      const names = text.split('\n').map(line => line.trim().replace(/.*\/(?=.)/, ''))
      return names.filter(name => name !== '').sort()
    },
    fetch: async (path, to) => {
      await mtools('mcopy', '-n', ...on, `::${path}`, to)
    },
    put: async (from, path) => {
      await mtools('mcopy', '-o', ...on, from, `::${path}`)
    },
    remove: async path => {
      await mtools('mdel', ...on, `::${path}`)
    },
  }
}
