import { existsSync, mkdirSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Launch } from '../system/launch.ts'
import { mount, mountFlags } from '../system/libc.ts'
import type { Run } from '../system/run.ts'
import type { StopSignal } from './keeper.ts'
import type { ServiceLog } from './logs.ts'
import { fill, type Manifest, type Placeholders } from './manifest.ts'
import { cgroupOf, configInside, sandboxConfig } from './sandbox.ts'

/** What all sandboxes of the machine have in common. */
export type SandboxMachine = {
  readonly run: Run
  readonly launch: Launch
  /** In memory, closed to services: root, bundles and crun's own state lie here. */
  readonly runFolder: string
  /** On the data partition: data, logs, secrets. */
  readonly dataFolder: string
  readonly nodeId: string
  readonly wireguardAddress: string
  readonly logOf: (name: string) => ServiceLog
  /** For the files that its manifest has rendered. */
  readonly passwordOf: (name: string) => Promise<string>
}

/** Sandboxes by crun, detached: no monitor stays behind, and the service becomes a child of PID 1. */
export type Crun = {
  readonly start: (manifest: Manifest) => Promise<number>
  readonly kill: (name: string, signal: StopSignal) => Promise<void>
  readonly remove: (name: string) => Promise<void>
  readonly memoryBytes: (name: string) => Promise<number | undefined>
}

const startMs = 30_000

/** Call `bindRoot` once before the first start. */
export function crun(machine: SandboxMachine): Crun {
  const { run, runFolder } = machine
  const state = ['--root', join(runFolder, 'crun'), '--cgroup-manager=cgroupfs']
  return {
    start: manifest => start(machine, manifest, state),
    kill: async (name, signal) => {
      await run('crun', [...state, 'kill', name, signal])
    },
    remove: async name => {
      if (existsSync(join(runFolder, 'crun', name))) await run('crun', [...state, 'delete', '--force', name])
    },
    memoryBytes: async name => {
      const text = await readFile(join('/sys/fs/cgroup', cgroupOf(name), 'memory.current'), 'utf8')
      return /^\d+\n$/.test(text) ? Number(text) : undefined
    },
  }
}

/**
 * The root of all sandboxes: a bind of / that is private, read-only and not recursive, so that nothing which is
 * mounted below / is in it. (crun refuses / itself: pivot_root says EBUSY.)
 */
export function bindRoot(runFolder: string): void {
  const target = join(runFolder, 'root')
  mkdirSync(runFolder, { recursive: true, mode: 0o700 })
  mkdirSync(target, { recursive: true })
  mount({ source: '/', target, type: 'none', flags: mountFlags.bind })
  mount({ source: 'none', target, type: 'none', flags: mountFlags.private })
  const flags =
    mountFlags.bind | mountFlags.remount | mountFlags.readonly | mountFlags.nosuid | mountFlags.nodev
  mount({ source: 'none', target, type: 'none', flags })
}

async function start(machine: SandboxMachine, manifest: Manifest, state: readonly string[]): Promise<number> {
  const bundle = await prepare(machine, manifest)
  const pidFile = join(bundle, 'pid')
  const errorFile = join(bundle, 'crun.log')
  await Promise.all([pidFile, errorFile].map(path => rm(path, { force: true })))
  const log = machine.logOf(manifest.name)
  const args = [
    ...state,
    `--log=file:${errorFile}`,
    'run',
    '--detach',
    '--pid-file',
    pidFile,
    '-b',
    bundle,
    manifest.name,
  ]
  try {
    await machine.launch('crun', args, {
      timeoutMs: startMs,
      onOutput: stream => void log.consume(stream),
    })
  } catch (cause) {
    const said = await readFile(errorFile, 'utf8').catch(() => '')
    throw new Error(`Cannot start '${manifest.name}': ${said.trim().slice(-300)}`, { cause })
  }
  const pid = Number(await readFile(pidFile, 'utf8'))
  if (!Number.isInteger(pid) || pid < 2)
    throw new Error(`Cannot start '${manifest.name}': no PID in its file`)
  return pid
}

/** Folders, rendered files and config.json; made anew at each start. Returns the bundle's folder. */
async function prepare(machine: SandboxMachine, manifest: Manifest): Promise<string> {
  const { name, uid } = manifest
  const dataDir = join(machine.dataFolder, 'data', name)
  const bundle = join(machine.runFolder, 'bundles', name)
  const configFolder = join(bundle, 'config')
  await rm(configFolder, { recursive: true, force: true })
  await mkdir(configFolder, { recursive: true, mode: 0o755 })
  await mkdir(dataDir, { recursive: true })
  await chown(dataDir, uid, uid)
  await chmod(dataDir, 0o700)
  const { nodeId, wireguardAddress } = machine
  const values = { nodeId, wireguardAddress, dataDir, configDir: configInside }
  await renderFiles(machine, manifest, { folder: configFolder, values })
  const config = sandboxConfig(
    manifest,
    { root: join(machine.runFolder, 'root'), dataDir, configFolder },
    values,
  )
  await writeFile(join(bundle, 'config.json'), JSON.stringify(config), { mode: 0o600 })
  return bundle
}

type Rendering = { readonly folder: string; readonly values: Placeholders }

async function renderFiles(
  machine: SandboxMachine,
  manifest: Manifest,
  { folder, values }: Rendering,
): Promise<void> {
  const files = Object.entries(manifest.files)
  if (files.length === 0) return
  const password = await machine.passwordOf(manifest.name)
  for (const [file, template] of files) {
    const path = join(folder, file)
    await writeFile(path, fill(template, { ...values, password }), { mode: 0o400, flag: 'wx' })
    await chown(path, manifest.uid, manifest.uid)
  }
}
