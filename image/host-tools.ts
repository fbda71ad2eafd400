import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { exists, hashFile, hashOf } from './cache.ts'
import { tool } from './step.ts'

// Files of the host that the linker copies into a static program.
const linked = ['libc.a', 'libm.a', 'libgcc.a', 'libgcc_eh.a', 'crt1.o']

/** A hash over what the host's C compiler makes of a source: itself, its linker and the libraries that go in. */
export async function cToolchainHash(): Promise<string> {
  const parts: Record<string, string> = {}
  for (const program of ['cc', 'ld'])
    parts[program] = await tool(program, ['--version'], { log: `${program}-version` })
  for (const name of linked) {
    // What it does not find, it prints as it was given.
    const path = (await tool('cc', [`-print-file-name=${name}`], { log: 'cc-files' })).trim()
    if (path === name || !(await exists(path)))
      throw new Error(`Cannot link programs here, there is no ${name}: run 'make setup' first`)
    parts[name] = await hashFile(path)
  }
  return hashOf(parts)
}

/**
 * Debian packages of the host whose programs make bytes of an image out of its parts. Not in host/packages.txt by
 * itself, because others require it: libzstd1, which compresses.
 */
export const imageTools = [
  'binutils',
  'cryptsetup-bin',
  'dosfstools',
  'efitools',
  'faketime',
  'libzstd1',
  'mtools',
  'openssl',
  'qemu-utils',
  'sbsigntool',
  'squashfs-tools',
]

/** Their versions, a line each. Empty on a host without dpkg, whose tools are then nobody's business. */
export async function imageToolVersions(): Promise<string> {
  const args = ['--show', '--showformat=${Package} ${Version}\\n', ...imageTools]
  // Where one is missing, it fails, and has printed the others.
  const { stdout } = await promisify(execFile)('dpkg-query', args).catch((error: unknown) => ({
    stdout: (error as { readonly stdout?: string }).stdout ?? '',
  }))
  return stdout
}
