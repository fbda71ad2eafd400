import { chmod, cp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { cached, exists, hashOf } from './cache.ts'
import type { Apt } from './debian/apt.ts'
import { type DebianPackage, download, unpack } from './debian/packages.ts'
import type { ServiceFiles } from './rootfs/assemble.ts'
import { step, tool } from './step.ts'

const servicesFolder = join(import.meta.dirname, '../services')

/** services/NAME/module.json: the pinned Go module that a service's program is built from. */
const moduleSchema = z.strictObject({
  module: z.string(),
  version: z.string().regex(/^v\d/),
  /** The module's own checksum as the Go checksum database has it. */
  sum: z.string().regex(/^h1:/),
  package: z.string(),
  program: z.string().regex(/^[a-z0-9-]+$/),
  cgo: z.boolean(),
  tags: z.array(z.string()),
})

type GoModule = z.infer<typeof moduleSchema>

/** All services that have a folder, with their programs built; compiled once, then cached by content. */
export async function buildServices(apt: Apt): Promise<ServiceFiles[]> {
  const names: string[] = []
  for (const name of (await readdir(servicesFolder)).sort())
    if (await exists(join(servicesFolder, name, 'service.json'))) names.push(name)
  const toolchain = await goToolchain(await download(apt, ['golang-1.26-go', 'golang-1.26-src']))
  const built: ServiceFiles[] = []
  for (const name of names) built.push(await buildService(name, toolchain))
  return built
}

async function buildService(name: string, toolchain: Toolchain): Promise<ServiceFiles> {
  const folder = join(servicesFolder, name)
  const manifest = await readFile(join(folder, 'service.json'), 'utf8')
  const { uid } = z.object({ uid: z.int().min(1001) }).parse(JSON.parse(manifest))
  const pin = moduleSchema.parse(JSON.parse(await readFile(join(folder, 'module.json'), 'utf8')))
  const made = await cached({
    kind: 'services',
    key: hashOf({ pin: JSON.stringify(pin), go: toolchain.key, recipe: '1' }),
    make: out => step(`${name} ${pin.version}`, () => compile(pin, toolchain, out)),
  })
  return { name, uid, manifest, programs: [join(made, pin.program)] }
}

type Toolchain = { readonly go: string; readonly key: string }

/** Debian's Go, unpacked into the cache: never the host's. */
async function goToolchain(packages: readonly DebianPackage[]): Promise<Toolchain> {
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

async function compile(pin: GoModule, toolchain: Toolchain, out: string): Promise<void> {
  const env = goEnvironment(toolchain, pin)
  const answer = await tool(toolchain.go, ['mod', 'download', '-json', `${pin.module}@${pin.version}`], {
    env,
    cwd: out,
  })
  const found = z.object({ Dir: z.string(), Sum: z.string() }).parse(JSON.parse(answer))
  if (found.Sum !== pin.sum)
    throw new Error(`Cannot build ${pin.module}: its checksum is ${found.Sum}, module.json has ${pin.sum}`)
  const source = join(out, 'source')
  await cp(found.Dir, source, { recursive: true })
  await tool('chmod', ['-R', 'u+w', source])
  const flags = ['-mod=readonly', '-trimpath', '-buildvcs=false', '-tags', pin.tags.join(',')]
  const link = `-s -w -buildid=${pin.cgo ? ' -linkmode external -extldflags=-static' : ''}`
  const target = join(out, pin.program)
  await tool(toolchain.go, ['build', ...flags, '-ldflags', link, '-o', target, pin.package], {
    env,
    cwd: source,
  })
  await chmod(target, 0o755)
  await rm(source, { recursive: true })
}

function goEnvironment(toolchain: Toolchain, pin: GoModule): Record<string, string> {
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
