import { spawn } from 'node:child_process'
import { copyFile, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheRoot, exists } from './cache.ts'
import { firstDifference, parseSums, partOfImage } from './compare.ts'
import { openApt } from './debian/apt.ts'
import { artefactName, type Release, thisRelease } from './release.ts'
import { step, tool } from './step.ts'

/**
 * `make reproduce`: builds the image twice, from copies of the checkout in folders of different length, at
 * different times, under another umask and time zone, each with an empty cache for everything but downloads,
 * keys and the kernel (`FULL=1`: the kernel too), and compares every byte.
 */
const projectRoot = join(import.meta.dirname, '..')

/** What both builds may take from the cache: what is downloaded, and the keys that both sign with. */
const shared = ['debian', 'go', 'keys', ...(process.env['FULL'] === '1' ? [] : ['kernel'])]

type Build = { readonly folder: string; readonly umask: number; readonly timeZone: string }

const builds: readonly [Build, Build] = [
  { folder: 'a', umask: 0o022, timeZone: 'UTC' },
  { folder: 'another-folder-with-a-much-longer-name', umask: 0o077, timeZone: 'Asia/Kolkata' },
]

async function main(): Promise<void> {
  const release = await thisRelease(process.env)
  const root = join(cacheRoot(), 'reproduce')
  await rm(root, { recursive: true, force: true })
  // The package indexes are refreshed here at the latest, so that both builds see the same ones.
  await openApt()
  const [one, other] = [join(root, builds[0].folder), join(root, builds[1].folder)]
  await step('first build', () => build(builds[0], root, release))
  await step('second build', () => build(builds[1], root, release))
  const differences = await compare(join(one, 'dist'), join(other, 'dist'), artefactName(release))
  if (differences > 0)
    throw new Error(`Cannot reproduce the image: ${differences} of its parts differ; both are below ${root}`)
  await rm(root, { recursive: true })
  process.stdout.write('reproduce: the two builds are the same\n')
}

async function build({ folder, umask, timeZone }: Build, root: string, release: Release): Promise<void> {
  const checkout = join(root, folder)
  const cache = join(root, `${folder}-cache`)
  await copyCheckout(checkout)
  for (const kind of shared) await share(kind, cache)
  await runBuild(checkout, umask, {
    ...process.env,
    PATH: `${join(checkout, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
    ORAMA_CACHE: cache,
    // Go's modules are downloads, what it compiled is not.
    GOCACHE: join(cache, 'go-build'),
    SOURCE_DATE_EPOCH: String(release.epochS),
    TZ: timeZone,
  })
}

/** Everything that git would commit, and the installed npm packages. */
async function copyCheckout(to: string): Promise<void> {
  const list = await tool(
    'git',
    [
      '-c',
      'safe.directory=*',
      '-C',
      projectRoot,
      'ls-files',
      '-z',
      '--cached',
      '--others',
      '--exclude-standard',
    ],
    { log: 'git-ls-files' },
  )
  for (const name of new Set(list.split('\0'))) {
    const from = join(projectRoot, name)
    if (name === '' || !(await exists(from))) continue // deleted, but not yet for git
    await mkdir(dirname(join(to, name)), { recursive: true })
    await copyFile(from, join(to, name))
  }
  // A link would do for running, but bundlers see through it, and paths would tell where the checkout lies.
  await tool('cp', [
    '--archive',
    '--reflink=auto',
    join(projectRoot, 'node_modules'),
    join(to, 'node_modules'),
  ])
}

async function share(kind: string, cache: string): Promise<void> {
  await mkdir(join(cacheRoot(), kind), { recursive: true })
  await mkdir(cache, { recursive: true })
  await symlink(join(cacheRoot(), kind), join(cache, kind))
}

async function runBuild(checkout: string, umask: number, env: NodeJS.ProcessEnv): Promise<void> {
  const own = process.umask(umask)
  const child = spawn('node', ['image/main.ts'], {
    cwd: checkout,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  process.umask(own)
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (status !== 0) throw new Error(`Cannot build in '${checkout}': status ${String(status)}`)
}

/** Prints a line for each part and returns how many differ. */
async function compare(one: string, other: string, name: string): Promise<number> {
  let differences = 0
  const say = (what: string, why: string | undefined) => {
    if (why !== undefined) differences += 1
    process.stdout.write(`  ${why === undefined ? 'same   ' : 'differs'}  ${what}${why ?? ''}\n`)
  }
  const [sums, others] = [await readSums(one, name), await readSums(other, name)]
  for (const part of ['rootfs', 'uki-unsigned.efi'])
    say(
      part,
      sums.get(part) === others.get(part)
        ? undefined
        : `: ${String(sums.get(part))} and ${String(others.get(part))}`,
    )
  for (const ending of ['packages', 'services', 'licenses', 'sizes', 'img', 'qcow2']) {
    const file = `${name}.${ending}`
    say(file, await difference(join(one, file), join(other, file)))
  }
  return differences
}

async function readSums(dist: string, name: string): Promise<Map<string, string>> {
  return parseSums(await readFile(join(dist, `${name}.sha256`), 'utf8'))
}

async function difference(one: string, other: string): Promise<string | undefined> {
  const offset = await firstDifference(one, other)
  if (offset === undefined) return undefined
  const where = one.endsWith('.img') ? await partOfImage(offset, one) : undefined
  return `: first at byte ${offset}${where === undefined ? '' : `, ${where}`}`
}

try {
  await main()
} catch (error) {
  for (let e = error; e instanceof Error; e = e.cause) process.stderr.write(`error: ${e.message}\n`)
  process.exitCode = 1
}
