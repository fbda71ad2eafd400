import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SeccompMode } from '../../protocol/requests.ts'
import type { DeviceNumber } from '../system/device.ts'
import type { Launch } from '../system/launch.ts'
import { mount, mountFlags } from '../system/libc.ts'
import type { UserQuota } from '../system/quota.ts'
import type { Run } from '../system/run.ts'
import type { StopSignal } from './ending.ts'
import type { ServiceLog } from './logs.ts'
import type { Manifest } from './manifest.ts'
import { cgroupOf, configInside, sandboxConfig } from './sandbox.ts'
import type { Usage } from './probing.ts'
import {
  fillSecret,
  type ListSources,
  type OpenValues,
  type SecretValues,
  visibleValues,
} from './templates.ts'

/** What all sandboxes of the machine have in common. */
export type SandboxMachine = {
  readonly run: Run
  readonly launch: Launch
  /** In memory, closed to services: root, bundles and crun's own state lie here. */
  readonly runFolder: string
  /** The data folder of a service, made where there is none. */
  readonly dataOf: (manifest: Manifest) => Promise<string>
  readonly logOf: (name: string) => ServiceLog
  readonly seccompModeOf: (name: string) => SeccompMode
  /** The block device under the data folders, as it is when a service starts; not asked for an early one. */
  readonly dataDevice: () => DeviceNumber
  /** Limits what the user may keep on the data partition. */
  readonly setQuota: (uid: number, quota: UserQuota) => void
  /** Lends what a service's templates are filled from, as it is at this start; the secrets are wiped afterwards. */
  readonly withFacts: <T>(manifest: Manifest, use: (facts: ServiceFacts) => Promise<T>) => Promise<T>
}

/** What the node knows for a service's templates. */
export type ServiceFacts = {
  readonly open: Omit<OpenValues, 'dataDir' | 'configDir'>
  readonly sources: ListSources
  readonly secrets: SecretValues
}

/** Sandboxes by crun, detached: no monitor stays behind, and the service becomes a child of PID 1. */
export type Crun = {
  readonly start: (manifest: Manifest) => Promise<number>
  readonly kill: (name: string, signal: StopSignal | 'STOP') => Promise<void>
  readonly remove: (name: string) => Promise<void>
  readonly usage: (name: string) => Usage
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
    usage: name => readUsage(join('/sys/fs/cgroup', cgroupOf(name))),
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

/** Throws where the cgroup is gone or says something else than a kernel would. */
export function readUsage(cgroup: string): Usage {
  const [memory, cpu] = ['memory.current', 'cpu.stat'].map(file => readFileSync(join(cgroup, file), 'utf8'))
  const memoryBytes = /^(\d{1,15})\n$/.exec(memory ?? '')?.[1]
  const cpuUs = /^usage_usec (\d{1,15})$/m.exec(cpu ?? '')?.[1]
  if (memoryBytes === undefined || cpuUs === undefined)
    throw new SyntaxError(`Cannot read the usage of '${cgroup}'`)
  return { memoryBytes: Number(memoryBytes), cpuS: Math.round(Number(cpuUs) / 1e3) / 1e3 }
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
  const dataDir = await machine.dataOf(manifest)
  const bundle = join(machine.runFolder, 'bundles', name)
  const configFolder = join(bundle, 'config')
  await rm(configFolder, { recursive: true, force: true })
  await mkdir(configFolder, { recursive: true, mode: 0o755 })
  await chown(dataDir, uid, uid)
  await chmod(dataDir, 0o700)
  if (!manifest.early)
    machine.setQuota(uid, { mebibytes: manifest.limits.diskMib, files: manifest.limits.diskFiles })
  const values = await machine.withFacts(manifest, async ({ open, sources, secrets }) => {
    const visible = visibleValues(manifest.lists, { ...open, dataDir, configDir: configInside }, sources)
    await renderFiles(manifest, configFolder, template => fillSecret(template, visible, secrets))
    return visible
  })
  const root = join(machine.runFolder, 'root')
  const dataDevice = manifest.early ? undefined : machine.dataDevice()
  const places = { root, dataDir, configFolder, dataDevice, socketFolder: join(machine.runFolder, 'sockets') }
  const config = sandboxConfig(manifest, { ...places, seccomp: machine.seccompModeOf(name) }, values)
  await writeFile(join(bundle, 'config.json'), JSON.stringify(config), { mode: 0o600 })
  return bundle
}

async function renderFiles(
  { files, uid }: Manifest,
  folder: string,
  render: (template: string) => Buffer,
): Promise<void> {
  for (const [name, { text }] of Object.entries(files)) {
    const content = render(text)
    try {
      await writeFile(join(folder, name), content, { mode: 0o400, flag: 'wx' })
    } finally {
      content.fill(0)
    }
    await chown(join(folder, name), uid, uid)
  }
}
