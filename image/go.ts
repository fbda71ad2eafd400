import { access, chmod, copyFile, cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { accepted, parseJsonFile } from '../agent/services/json-file.ts'
import { cached, hashOf } from './cache.ts'
import { type DebianPackage, unpack } from './debian/packages.ts'
import { cToolchainHash } from './host-tools.ts'
import { step, tool } from './step.ts'

/** services/NAME/module.json: the pinned Go module that a service's program is built from. */
const pinSchema = z.strictObject({
  module: z.string().regex(/^[a-z0-9][A-Za-z0-9._/-]{0,127}$/),
  version: z.string().regex(/^v\d[0-9A-Za-z.+-]{0,63}$/),
  /** The module's own checksum as the Go checksum database has it. */
  sum: z.string().regex(/^h1:[A-Za-z0-9+/]{43}=$/),
  package: z.string().regex(/^\.(\/[A-Za-z0-9_-]{1,64}){0,8}$/),
  program: z.string().regex(/^[a-z0-9-]{1,64}$/),
  cgo: z.boolean(),
  tags: z.array(z.string().regex(/^[A-Za-z0-9_.]{1,64}$/)).max(16),
  /** An SPDX expression, and the module's files that say so. */
  license: z.strictObject({
    spdx: z.string().regex(/^[A-Za-z0-9.+() -]{1,128}$/),
    files: z
      .array(z.string().regex(/^[A-Za-z0-9._-]{1,64}$/))
      .min(1)
      .max(8),
  }),
  /** SHA-256 of the module's zip file, as a Go proxy serves it, and of its licence files: what Buildroot compares. */
  sha256: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
})

const moduleSchema = pinSchema.refine(
  pin => [zipName(pin), ...pin.license.files].sort().join() === Object.keys(pin.sha256).sort().join(),
  { path: ['sha256'], message: 'need the zip file of this version and each licence file, nothing else' },
)

export type GoModule = z.infer<typeof pinSchema>

/** Reads a module.json. Throws SyntaxError that names the file and the first bad key. */
export function parseModule(json: string, file: string): GoModule {
  return accepted(moduleSchema.safeParse(parseJsonFile(json, file)), file)
}

/** The module's file on a Go proxy. */
export function zipName(pin: Pick<GoModule, 'version'>): string {
  return `${pin.version}.zip`
}

export type Toolchain = { readonly go: string; readonly key: string }

/** Debian's packages of Go. */
export const goPackages = ['golang-1.26-go', 'golang-1.26-src'] as const

/** Debian's Go, unpacked into the cache: never the host's. */
export async function goToolchain(packages: readonly DebianPackage[]): Promise<Toolchain> {
  const key = hashOf({ packages: packages.map(p => p.sha256).join(' '), recipe: '1' })
  const root = await cached({
    kind: 'go',
    key,
    make: async folder => {
      for (const one of packages) await unpack(one, folder)
    },
  })
  return { go: join(root, 'usr/lib/go-1.26/bin/go'), key }
}

/** What lies beside a built program: `go version -m` of it, and the folder of its module's licence files. */
export const besideProgram = { buildInfo: 'build-info', licenses: 'licenses' } as const

/** The folder with a module's program, compiled once and then cached by content. */
export async function buildModule(pin: GoModule, toolchain: Toolchain): Promise<string> {
  return cached({
    kind: 'services',
    key: await moduleKey(pin, toolchain, cToolchainHash),
    make: out => step(`${pin.program} ${pin.version}`, () => compile(pin, toolchain, out)),
  })
}

/** Everything that decides the program's bytes; with cgo, the host's C compiler and the libc that is linked in too. */
export async function moduleKey(pin: GoModule, go: Toolchain, hashC: () => Promise<string>): Promise<string> {
  const c = pin.cgo ? { c: await hashC() } : {}
  return hashOf({ pin: JSON.stringify({ ...pin, sha256: undefined }), go: go.key, ...c, recipe: '2' })
}

async function compile(pin: GoModule, toolchain: Toolchain, out: string): Promise<void> {
  const env = goEnvironment(toolchain, pin)
  const source = join(out, 'source')
  await cp(await moduleFolder(pin, toolchain, out), source, { recursive: true })
  await tool('chmod', ['-R', 'u+w', source])
  await keepLicenses(pin, source, join(out, besideProgram.licenses))
  const flags = ['-mod=readonly', '-trimpath', '-buildvcs=false', '-tags', pin.tags.join(',')]
  const link = `-s -w -buildid=${pin.cgo ? ' -linkmode external -extldflags=-static' : ''}`
  const target = join(out, pin.program)
  const options = { env, cwd: source, log: `go-${pin.program}` }
  await tool(toolchain.go, ['build', ...flags, '-ldflags', link, '-o', target, pin.package], options)
  await chmod(target, 0o755)
  await requireStatic(target)
  await writeFile(join(out, besideProgram.buildInfo), await buildInfo(target, toolchain))
  await rm(source, { recursive: true })
}

/** Throws where a program asks for a loader, and so for libraries that its sandbox might not have. */
export async function requireStatic(program: string): Promise<void> {
  const text = await tool('readelf', ['-lW', program])
  if (text.includes(' INTERP ')) throw new Error(`Cannot use '${program}': it is not linked statically`)
}

/** The module's folder in Go's cache, downloaded if it is not there, its checksum compared with the pin. */
async function moduleFolder(pin: GoModule, toolchain: Toolchain, cwd: string): Promise<string> {
  const wanted = `${pin.module}@${pin.version}`
  const options = { env: goEnvironment(toolchain, pin), cwd, log: `go-${pin.program}` }
  const answer = await tool(toolchain.go, ['mod', 'download', '-json', wanted], options)
  const found = z.object({ Dir: z.string(), Sum: z.string() }).parse(JSON.parse(answer))
  if (found.Sum !== pin.sum)
    throw new Error(`Cannot build ${wanted}: its checksum is ${found.Sum}, module.json has ${pin.sum}`)
  return found.Dir
}

/** Copies the licence files that module.json names. Throws where the module has no such file. */
export async function keepLicenses(pin: GoModule, source: string, to: string): Promise<void> {
  await mkdir(to)
  for (const file of pin.license.files) {
    await access(join(source, file)).catch((cause: unknown) => {
      throw new Error(`Cannot build ${pin.module}: it has no licence file '${file}'`, { cause })
    })
    await copyFile(join(source, file), join(to, file))
  }
}

/** `go version -m`, with the program's name in place of where it happens to lie. */
export async function buildInfo(target: string, toolchain: Toolchain): Promise<string> {
  const text = await tool(toolchain.go, ['version', '-m', target], {
    env: { GOROOT: join(toolchain.go, '../..'), GOTOOLCHAIN: 'local', GOFLAGS: '' },
  })
  return text.replace(target, target.replace(/.*\//, ''))
}

/** Where Go finds itself, and nothing of the host's settings. */
export function goEnvironment(toolchain: Toolchain, pin: GoModule): Record<string, string> {
  return {
    GOROOT: join(toolchain.go, '../..'),
    GOTOOLCHAIN: 'local',
    GOFLAGS: '',
    GOOS: 'linux',
    GOARCH: 'amd64',
    GOAMD64: 'v1',
    CGO_ENABLED: pin.cgo ? '1' : '0',
  }
}
