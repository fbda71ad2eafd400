import { join } from 'node:path'
import type { SeccompMode } from '../../protocol/requests.ts'
import type { DeviceNumber } from '../system/device.ts'
import type { Manifest } from './manifest.ts'
import { seccompProfile, type SeccompProfile } from './seccomp.ts'
import { fill } from './templates.ts'

/** Paths of the machine that the sandbox of one service is made of. */
export type SandboxPlaces = {
  /** A private, read-only, not recursive bind of the root file system. */
  readonly root: string
  /** The service's own folder, owned by its UID; seen under the same path inside. */
  readonly dataDir: string
  /** The rendered files; seen as /run/config. */
  readonly configFolder: string
  /** The block device that the data folder lies on; undefined where it lies in memory. */
  readonly dataDevice: DeviceNumber | undefined
  /** Where the agent's sockets are: a folder each. */
  readonly socketFolder: string
  /** Default: enforce. */
  readonly seccomp?: SeccompMode
}

/** Where a service finds its rendered files, and the agent's sockets that it may call. */
export const configInside = '/run/config'
const socketsInside = '/run/agent'

/** An OCI runtime configuration (runtime-spec 1.0.2), as far as crun reads it and we use it. */
export type OciConfig = {
  readonly ociVersion: '1.0.2'
  readonly process: Readonly<Record<string, unknown>> & { readonly args: readonly string[] }
  readonly root: { readonly path: string; readonly readonly: true }
  readonly hostname: string
  readonly mounts: readonly OciMount[]
  readonly linux: Readonly<Record<string, unknown>> & { readonly seccomp: SeccompProfile }
}

export type OciMount = {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

const mebibyte = 1024 * 1024
const cpuPeriodUs = 100_000

/**
 * The sandbox: own mount, PID, IPC, UTS and cgroup namespaces (the network is the node's, behind the firewall by
 * UID; user namespaces are not in the kernel), no capabilities, no new privileges, one writable folder. Pure.
 * `values` are the visible ones: arguments and environment can be read in /proc, so a secret reaches a service by
 * file only. Throws RangeError for a placeholder that has no value.
 */
export function sandboxConfig(
  manifest: Manifest,
  places: SandboxPlaces,
  values: Readonly<Record<string, string>>,
): OciConfig {
  return {
    ociVersion: '1.0.2',
    process: processOf(manifest, places, values),
    root: { path: places.root, readonly: true },
    hostname: manifest.name,
    mounts: mountsOf(places, manifest),
    linux: {
      cgroupsPath: cgroupOf(manifest.name),
      namespaces: ['mount', 'pid', 'ipc', 'uts', 'cgroup'].map(type => ({ type })),
      resources: resourcesOf(manifest, places.dataDevice),
      seccomp: seccompProfile(manifest.syscalls, places.seccomp ?? 'enforce'),
      rootfsPropagation: 'private',
      maskedPaths: [
        'acpi',
        'kcore',
        'keys',
        'latency_stats',
        'sched_debug',
        'scsi',
        'timer_list',
        'kmsg',
      ].map(proc),
      readonlyPaths: ['asound', 'bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map(proc),
    },
  }
}

/** The service's cgroup below /sys/fs/cgroup. */
export function cgroupOf(name: string): string {
  return `/orama/${name}`
}

function processOf(
  manifest: Manifest,
  { dataDir }: SandboxPlaces,
  values: Readonly<Record<string, string>>,
): OciConfig['process'] {
  const { uid, limits, capabilities } = manifest
  const environment = { PATH: '/usr/bin', HOME: dataDir, TMPDIR: '/tmp', ...manifest.environment }
  return {
    terminal: false,
    user: { uid, gid: uid, umask: 0o077, additionalGids: [] },
    args: manifest.command.flatMap(word => fill(word, values) || []),
    env: Object.entries(environment).map(([name, value]) => `${name}=${fill(value, values)}`),
    cwd: dataDir,
    noNewPrivileges: true,
    capabilities: Object.fromEntries(
      ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'].map(kind => [kind, capabilities]),
    ),
    rlimits: [
      rlimit('NOFILE', limits.files),
      rlimit('CORE', 0),
      rlimit('MEMLOCK', mebibyte),
      rlimit('MSGQUEUE', 0),
    ],
    // Rather a service than the agent, whose end is the machine's.
    oomScoreAdj: 500,
  }
}

function rlimit(name: string, value: number) {
  return { type: `RLIMIT_${name}`, hard: value, soft: value }
}

function mountsOf(
  { dataDir, configFolder, socketFolder }: SandboxPlaces,
  { files, sockets }: Manifest,
): OciMount[] {
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    tmpfs('/dev', ['nosuid', 'noexec', 'mode=755', 'size=64k']),
    tmpfs('/dev/shm', ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=16m']),
    tmpfs('/tmp', ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=64m']),
    // What the node keeps there is nobody's business: its secrets, the other services' data.
    tmpfs('/run', ['nosuid', 'noexec', 'nodev', 'mode=755', 'size=64k']),
    tmpfs('/opt', ['nosuid', 'noexec', 'nodev', 'mode=755', 'size=64k']),
    bind(configFolder, configInside, 'ro'),
    bind(dataDir, dataDir, 'rw'),
    ...sockets.map(name => bind(join(socketFolder, name), join(socketsInside, name), 'ro')),
    // crun makes the place and mounts inside the sandbox's own root: a link that the service has left there leads
    // nowhere else.
    ...Object.entries(files).flatMap(([name, { inDataDir }]) =>
      inDataDir === undefined ? [] : [bind(join(configFolder, name), join(dataDir, inDataDir), 'ro')],
    ),
  ]
}

function tmpfs(destination: string, options: readonly string[]): OciMount {
  return { destination, type: 'tmpfs', source: 'tmpfs', options }
}

function bind(source: string, destination: string, mode: 'ro' | 'rw'): OciMount {
  return {
    destination,
    type: 'bind',
    source,
    options: ['bind', mode, 'nosuid', 'noexec', 'nodev', 'rprivate'],
  }
}

/** Memory without swap needs no line: the kernel has no swap. Devices need no rules: without mknod there are six. */
function resourcesOf({ limits }: Manifest, device: DeviceNumber | undefined) {
  return {
    memory: { limit: limits.memoryMib * mebibyte },
    cpu: { period: cpuPeriodUs, quota: Math.round(limits.cpus * cpuPeriodUs) },
    pids: { limit: limits.pids },
    ...(device === undefined ? {} : { blockIO: blockLimits(limits, device) }),
  }
}

function blockLimits(limits: Manifest['limits'], device: DeviceNumber) {
  return {
    throttleReadBpsDevice: [{ ...device, rate: limits.readMibS * mebibyte }],
    throttleWriteBpsDevice: [{ ...device, rate: limits.writeMibS * mebibyte }],
    throttleReadIOPSDevice: [{ ...device, rate: limits.diskOps }],
    throttleWriteIOPSDevice: [{ ...device, rate: limits.diskOps }],
  }
}

function proc(name: string): string {
  return `/proc/${name}`
}
