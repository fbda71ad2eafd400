import { availableParallelism } from 'node:os'
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, hashOf } from '../cache.ts'
import type { DebianPackage } from '../debian/packages.ts'
import { unpack } from '../debian/packages.ts'
import { step, tool } from '../step.ts'
import { missingOptions } from './config.ts'

/** For both bases. */
export const fragmentPath = join(import.meta.dirname, 'linux.config')

export type Kernel = { readonly bzImage: string; readonly config: string; readonly version: string }

/**
 * Compiles the kernel from Debian's source package with our fragment on top of `tinyconfig`; about ten minutes
 * on two cores, then cached by the content of source package, fragment and compiler.
 */
export async function buildKernel(source: DebianPackage): Promise<Kernel> {
  const fragment = await readFile(fragmentPath, 'utf8')
  const compiler = await tool('gcc', ['--version'], { log: 'gcc-version' })
  const key = hashOf({ source: source.sha256, fragment, compiler, recipe: '1' })
  const folder = await cached({
    kind: 'kernel',
    key,
    make: folder => step('kernel (about 10 minutes the first time)', () => compile(source, fragment, folder)),
  })
  const version = (await readFile(join(folder, 'version'), 'utf8')).trim()
  return { bzImage: join(folder, 'bzImage'), config: join(folder, 'config'), version }
}

async function compile(source: DebianPackage, fragment: string, folder: string): Promise<void> {
  const work = join(folder, 'work')
  await unpack(source, work)
  const archive = (await readdir(join(work, 'usr/src'))).find(name => name.endsWith('.tar.xz'))
  if (archive === undefined) throw new Error(`Cannot find the kernel's tar file in ${source.name}`)
  await unpackKernel(join(work, 'usr/src', archive), work)
  await configureKernel(work, fragment)
  await make(work, '-j', String(availableParallelism()), 'bzImage')
  await copyFile(join(work, 'arch/x86/boot/bzImage'), join(folder, 'bzImage'))
  await copyFile(join(work, '.config'), join(folder, 'config'))
  await writeFile(join(folder, 'version'), await make(work, '-s', 'kernelrelease'))
  await rm(work, { recursive: true })
}

/** Unpacks a kernel's tar file. */
export async function unpackKernel(archive: string, work: string): Promise<void> {
  await mkdir(work, { recursive: true })
  await tool('tar', ['-xf', archive, '-C', work, '--strip-components=1'], { log: 'kernel-unpack' })
}

/** tinyconfig and the fragment. Throws if a line of the fragment does not survive, naming all of them. */
export async function configureKernel(work: string, fragment: string): Promise<void> {
  await make(work, 'tinyconfig')
  const tiny = await readFile(join(work, '.config'), 'utf8')
  await writeFile(join(work, '.config'), `${tiny}\n${fragment}`)
  await make(work, 'olddefconfig')
  const missing = missingOptions(fragment, await readFile(join(work, '.config'), 'utf8'))
  if (missing.length > 0)
    throw new Error(`Cannot configure the kernel, these lines vanished:\n${missing.join('\n')}`)
}

function make(work: string, ...args: readonly string[]): Promise<string> {
  const env = {
    KBUILD_BUILD_TIMESTAMP: '@0',
    KBUILD_BUILD_USER: 'oramaos',
    KBUILD_BUILD_HOST: 'oramaos',
    KCFLAGS: `-ffile-prefix-map=${work}=.`,
    KAFLAGS: `-ffile-prefix-map=${work}=.`,
  }
  return tool('make', args, { cwd: work, log: `kernel-${args.at(-1) ?? 'make'}`, env })
}
