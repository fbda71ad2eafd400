import { tool } from '../step.ts'
import type { Checkout } from './checkout.ts'
import { externalTree } from './files.ts'

export const defconfig = 'oramaos_x86_64_defconfig'

/** Runs Buildroot's make out of tree. */
export type Buildroot = (...goals: readonly string[]) => Promise<string>

export type MakeEnvironment = Readonly<Record<string, string>>

/** Buildroot with our tree, built in `output`. */
export function buildroot({ folder }: Checkout, output: string, env: MakeEnvironment = {}): Buildroot {
  return (...goals) =>
    tool('make', ['-s', ...makeArgs(output, goals)], {
      cwd: folder,
      env: { ...makeEnvironment(), ...env },
      log: `buildroot-${(goals[0] ?? 'all').replace(/\W/g, '-')}`,
    })
}

export function makeArgs(output: string, goals: readonly string[]): string[] {
  return [`O=${output}`, `BR2_EXTERNAL=${externalTree}`, ...goals]
}

/** What our own make and its user say, which Buildroot and the packages that it builds must not take for theirs. */
const notTheirs = ['MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'BASE', 'COUNTER', 'SERVICES', 'SUITE', 'TEST']

/**
 * The environment of Buildroot's make. Some programs refuse to be configured by root; in a build that root was
 * asked for, that helps nobody.
 */
export function makeEnvironment(uid = process.getuid?.()): MakeEnvironment {
  return {
    ...Object.fromEntries(notTheirs.map(name => [name, ''])),
    PYTHONDONTWRITEBYTECODE: '1',
    ...(uid === 0 ? { FORCE_UNSAFE_CONFIGURE: '1' } : {}),
  }
}

/** The values of make's variables, each of one line. */
export async function makeVariables<Name extends string>(
  run: Buildroot,
  names: readonly Name[],
): Promise<Record<Name, string>> {
  const lines = (await run('printvars', `VARS=${names.join(' ')}`)).split('\n')
  const value = (name: string) =>
    lines.find(line => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? ''
  return Object.fromEntries(names.map(name => [name, value(name)])) as Record<Name, string>
}
