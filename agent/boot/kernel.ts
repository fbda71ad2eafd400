import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Settings of the running kernel, below /proc/sys, that its configuration has no line for. */
const settings: Readonly<Record<string, string>> = {
  // No program is run from memory (memfd_create): nobody can ask for a file there that can be executed. PID
  // namespaces inherit it.
  'vm/memfd_noexec': '2',
}

/** Throws where the kernel has no such setting. */
export function setKernel(root = '/proc/sys'): void {
  for (const [name, value] of Object.entries(settings)) writeFileSync(join(root, name), value, { flag: 'r+' })
}
