import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeRecord } from '../../protocol/record.ts'
import type { SeccompMode } from '../../protocol/requests.ts'
import type { Peer } from '../../protocol/wireguard.ts'
import { type Audit, type Denied, startAudit } from '../services/audit.ts'
import { bindRoot, type Crun, crun } from '../services/crun.ts'
import { type FirstStarts, firstStarts } from '../services/first-start.ts'
import { killInTurn } from '../services/kill-in-turn.ts'
import { openServiceLog, type ServiceLog } from '../services/logs.ts'
import type { Manifest } from '../services/manifest.ts'
import { type SeccompSwitch, seccompSwitch } from '../services/seccomp-switch.ts'
import { createSupervisor, type Supervisor } from '../services/supervisor.ts'
import { auditWorld, serviceWorld } from '../services/world.ts'
import { deviceNumber } from '../system/device.ts'
import { wantedFaults } from '../system/faults.ts'
import { launch } from '../system/launch.ts'
import { bootTimeMs } from '../system/libc.ts'
import { log } from '../system/log.ts'
import { setUserQuota } from '../system/quota.ts'
import { run } from '../system/run.ts'
import { storeFolder, withClusterSecret } from '../unlock/record-store.ts'
import { known, type Machine } from './machine.ts'
import { withEarlyFacts, withServiceFacts } from './service-facts.ts'
import { dataFolder, nodeVolume, nodeWorld } from './volume.ts'

/** In memory, not reachable from inside a sandbox. */
export const runFolder = '/run/orama'

export type Services = {
  readonly manifests: readonly Manifest[]
  readonly supervisor: Supervisor
  readonly logs: ReadonlyMap<string, ServiceLog>
  readonly audit: Audit
  readonly seccomp: SeccompSwitch
  /** The denied calls of a service. */
  readonly denied: (name: string) => Denied
  /** Starts those that need the open disk; the early ones run already. */
  readonly startAll: () => void
}

const passCheckMs = 5000
const passAgeMaxMs = 20_000
/** Of an early service, whose log lies in memory. */
const earlyLog = { bytesMax: 128 * 1024, files: 2 }

export type ServicesOf = {
  readonly manifests: readonly Manifest[]
  readonly record: () => NodeRecord
  /** WireGuard's, as they are at a start. */
  readonly peers: () => readonly Peer[]
  /** Called whenever one changes its state. */
  readonly onChange: () => void
}

/** Takes the services of the image into care, and starts those that run before the disk is open. */
export function prepareServices(machine: Machine, of: ServicesOf): Services {
  const { manifests, onChange } = of
  const logs = new Map(manifests.map(manifest => [manifest.name, logOf(manifest)]))
  const modes = new Map<string, SeccompMode>()
  const data = firstStarts(dataFolder)
  bindRoot(runFolder)
  const sandboxes = sandboxesOf(machine, { ...of, logs, modes, data })
  const uids = new Map(manifests.map(manifest => [manifest.name, manifest.uid]))
  const audit = startAudit(auditWorld(), [...uids.values()], machine.stopping.signal)
  const world = serviceWorld({
    crun: sandboxes,
    data,
    onExit: known(machine, 'reaper').exitOf,
    wireguardAddress: of.record().wireguard.address,
  })
  const supervisor = createSupervisor(manifests, world, { signal: machine.stopping.signal, onChange })
  for (const { name, early } of manifests) if (early) supervisor.start(name)
  tieToWatchdog(machine, supervisor)
  return {
    manifests,
    supervisor,
    logs,
    audit,
    seccomp: seccompSwitch(modes, supervisor),
    denied: name => audit.deniedBy(uids.get(name) ?? 0),
    startAll: () => {
      supervisor.startAll()
      void killInTurn({ faults: wantedFaults(), supervisor, kill: sandboxes.kill, sleep, log })
    },
  }
}

function logOf({ name, early }: Manifest): ServiceLog {
  return early
    ? openServiceLog(join(runFolder, 'logs', `${name}.log`), earlyLog)
    : openServiceLog(join(dataFolder, 'logs', `${name}.log`))
}

type SandboxesOf = ServicesOf & {
  readonly logs: ReadonlyMap<string, ServiceLog>
  readonly modes: ReadonlyMap<string, SeccompMode>
  readonly data: FirstStarts
}

function sandboxesOf(machine: Machine, { record, peers, logs, modes, data }: SandboxesOf): Crun {
  const device = nodeWorld().mapperPath(nodeVolume(known(machine, 'disk')).name)
  return crun({
    run,
    launch,
    runFolder,
    dataOf: ({ name, early }) => (early ? earlyFolder(name) : data.dataOf(name)),
    withFacts: (manifest, use) =>
      manifest.early
        ? withEarlyFacts(record(), use)
        : withClusterSecret(storeFolder(dataFolder), clusterSecret =>
            withServiceFacts(
              manifest,
              {
                record: record(),
                peers: peers(),
                clusterSecret,
                nameservers: nameservers(machine),
              },
              use,
            ),
          ),
    seccompModeOf: name => modes.get(name) ?? 'enforce',
    dataDevice: () => deviceNumber(device),
    setQuota: (uid, quota) => {
      setUserQuota(device, uid, quota)
    },
    logOf: name => {
      const log = logs.get(name)
      if (log === undefined) throw new RangeError(`Cannot find the log of '${name}'`)
      return log
    },
  })
}

async function earlyFolder(name: string): Promise<string> {
  const folder = join(runFolder, 'early', name)
  await mkdir(folder, { recursive: true })
  return folder
}

/** As they are now: a service that uses them is given those of its last start. */
function nameservers(machine: Machine): readonly string[] {
  const { lease, operator } = machine
  return lease?.dns ?? (operator?.kind === 'file' ? operator.file.network?.dns : undefined) ?? []
}

/** A supervisor that has stopped looking at its services is a node that hangs. */
function tieToWatchdog(machine: Machine, supervisor: Supervisor): void {
  const pass = machine.watchdog?.expectPasses()
  if (pass === undefined) return
  setInterval(() => {
    if (bootTimeMs() - supervisor.lastPassMs() < passAgeMaxMs) pass()
  }, passCheckMs)
}
