import { type ChildProcess, spawn } from 'node:child_process'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckout } from '../image/buildroot/checkout.ts'
import { pin } from '../image/buildroot/pin.ts'
import { report } from '../image/buildroot/report.ts'
import { type Count, orFailed, tapReader } from './count.ts'
import { builtImage, type ImageKind, testImage } from './e2e/support/image.ts'

/**
 * Runs parts of the test suite one after the other and ends with the line `N passed, N failed`. Each check is
 * one test; each test of a test file is one, and so are the tests in it. Parts: check, images, unit,
 * simulation, buildroot, e2e, e2e:SUITE, long.
 */
const root = join(import.meta.dirname, '..')

/**
 * End-to-end suites in their order; each file boots its own machines. Two files at a time where that helps: a machine
 * that boots keeps one core busy. The hostile service does its worst with a machine, and is alone.
 */
const suites: Readonly<Record<string, Suite>> = {
  node: { folder: 'tests/e2e/node', jobs: 2, images: ['ordinary', 'faults'] },
  services: { folder: 'tests/e2e/services', jobs: 1, images: ['ordinary', 'faults'] },
  pair: { folder: 'tests/e2e/pair', jobs: 1, images: ['ordinary'] },
  cluster: { folder: 'tests/e2e/cluster', jobs: 1, images: ['cluster', 'lean'], isLong: true },
}

type Suite = {
  readonly folder: string
  readonly jobs: number
  readonly images: readonly ImageKind[]
  /** It does not fit into `make test`, but into `make test-long`. */
  readonly isLong?: boolean
}

const suitesOf = ({ long }: { readonly long: boolean }) =>
  Object.keys(suites).filter(name => (suites[name]?.isLong === true) === long)

const parts: Readonly<Record<string, () => Promise<Count>>> = {
  check,
  images,
  unit,
  simulation,
  buildroot,
  e2e: () => inTurn(suitesOf({ long: false }).map(name => () => e2e(name))),
  long,
  ...Object.fromEntries(Object.keys(suites).map(name => [`e2e:${name}`, () => e2e(name)])),
}

const unknown = process.argv.slice(2).filter(name => !Object.hasOwn(parts, name))
if (unknown.length > 0) {
  process.stderr.write(`no such part: ${unknown.join(' ')}; there are: ${Object.keys(parts).join(' ')}\n`)
  process.exitCode = 2
} else {
  const part = (name: string) => () => orFailed(parts[name] ?? check, { name, say })
  const total = await inTurn(process.argv.slice(2).map(part))
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`)
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
}

async function inTurn(runs: readonly (() => Promise<Count>)[]): Promise<Count> {
  const total = { passed: 0, failed: 0 }
  for (const run of runs) {
    const { passed, failed } = await run()
    total.passed += passed
    total.failed += failed
  }
  return total
}

/** Types, lint, format, shell: each is one test. */
async function check(): Promise<Count> {
  const scripts = ['host/setup.sh', '.ci/run', 'bin/orama']
  const checks = {
    types: ['tsc', '-p', '.'],
    lint: ['eslint', '--max-warnings=0', '.'],
    format: ['prettier', '--check', '--log-level=warn', '.'],
    shell: ['shellcheck', ...scripts],
  }
  return inTurn(
    Object.entries(checks).map(([name, line]) => () => {
      const what = `check: ${name}`
      return orFailed(() => checkOne(what, line), { name: what, say })
    }),
  )
}

async function checkOne(what: string, [program = '', ...args]: readonly string[]): Promise<Count> {
  const ok = (await ended(spawn(program, args, { cwd: root, stdio: 'inherit' }))) === 0
  say(`${ok ? 'ok' : 'not ok'} - ${what}`)
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** For all that follows; among the unit tests the registry's want the rqlited that images are made of. */
async function images(): Promise<Count> {
  await buildImages(['ordinary', 'faults'])
  return { passed: 0, failed: 0 }
}

function unit(): Promise<Count> {
  return tapFiles(['tests/**/*.test.ts'], ['--jobs=2', '--timeout=120'])
}

/** `make buildroot-check`, where there is a Buildroot. */
async function buildroot(): Promise<Count> {
  const folder = process.env['BUILDROOT_DIR']
  if (folder !== undefined && folder !== '') return report(await openCheckout(folder))
  say(`ok - buildroot-check # SKIP BUILDROOT_DIR names no Buildroot ${pin.version}`)
  return { passed: 0, failed: 0 }
}

async function long(): Promise<Count> {
  const files = () => tapFiles(['tests/**/*.long.ts'], ['--jobs=1', '--timeout=5400'])
  return inTurn([images, files, ...suitesOf({ long: true }).map(name => () => e2e(name))])
}

/** Of a thousand nodes; unit tests have smaller clusters. */
function simulation(): Promise<Count> {
  return tapFiles(['tests/agent/shares/simulation/*.test.ts'], ['--timeout=5400'], {
    ORAMA_SIM_STEPS: '10000',
  })
}

async function e2e(name: string): Promise<Count> {
  const suite = suites[name]
  if (suite === undefined) throw new RangeError(`Cannot find suite '${name}'`)
  await buildImages(suite.images)
  return tapFiles([`${suite.folder}/*.e2e.ts`], [`--jobs=${suite.jobs}`, '--timeout=5400'])
}

/** Each image once, for all files of the run. */
async function buildImages(kinds: readonly ImageKind[]): Promise<void> {
  for (const kind of kinds) process.env[builtImage[kind]] ??= await testImage(kind)
}

/** Runs test files with tap and counts the tests: those directly below a file, by their TAP lines. */
async function tapFiles(
  patterns: readonly string[],
  flags: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Count> {
  const files: string[] = []
  for await (const file of glob(patterns, { cwd: root })) files.push(file)
  if (files.length === 0) return { passed: 0, failed: 0 }
  const child = spawn('tap', ['--reporter=tap', ...flags, ...files.sort()], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = ended(child)
  const count = { passed: 0, failed: 0 }
  const read = tapReader(count, say)
  let rest = ''
  for await (const data of child.stdout) {
    const lines = (rest + String(data)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) read(line)
  }
  const status = await closed
  // A file that crashes before its first test still fails the run.
  if (status !== 0 && count.failed === 0) count.failed = 1
  return count
}

/** A program's status. Throws when it could not be started. */
function ended(child: ChildProcess): Promise<number | null> {
  const status = new Promise<number | null>((resolve, reject) => {
    child.once('error', cause => {
      reject(new Error("Cannot run a program: run 'make setup' first", { cause }))
    })
    child.once('close', resolve)
  })
  // Who reads the output first, waits for the status later.
  status.catch(() => undefined)
  return status
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
