import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeRecord } from '../../protocol/record.ts'
import type { SeccompMode } from '../../protocol/requests.ts'
import { type Audit, type Denied, startAudit } from '../services/audit.ts'
import { bindRoot, crun } from '../services/crun.ts'
import { firstStarts } from '../services/first-start.ts'
import { killInTurn } from '../services/kill-in-turn.ts'
import { openServiceLog, type ServiceLog } from '../services/logs.ts'
import type { Manifest } from '../services/manifest.ts'
import { type SeccompSwitch, seccompSwitch } from '../services/seccomp-switch.ts'
import { createSupervisor, type Supervisor } from '../services/supervisor.ts'
import { auditWorld, serviceWorld } from '../services/world.ts'
import { deviceNumber } from '../system/device.ts'
import { wantedFault } from '../system/faults.ts'
import { launch } from '../system/launch.ts'
import { bootTimeMs } from '../system/libc.ts'
import { log } from '../system/log.ts'
import { setUserQuota } from '../system/quota.ts'
import { run } from '../system/run.ts'
import { storeFolder, withClusterSecret } from '../unlock/record-store.ts'
import { known, type Machine } from './machine.ts'
import { withServiceFacts } from './service-facts.ts'
import { dataFolder, nodeVolume, nodeWorld } from './volume.ts'

/** In memory, not reachable from inside a sandbox. */
const runFolder = '/run/orama'

export type Services = {
  readonly supervisor: Supervisor
  readonly logs: ReadonlyMap<string, ServiceLog>
  readonly audit: Audit
  readonly seccomp: SeccompSwitch
  /** The denied calls of a service. */
  readonly denied: (name: string) => Denied
}

const passCheckMs = 5000
const passAgeMaxMs = 20_000

/** Starts the services of the image; `onChange` is called whenever one changes its state. */
export function startServices(
  machine: Machine,
  of: { readonly manifests: readonly Manifest[]; readonly record: NodeRecord },
  onChange: () => void,
): Services {
  const logs = new Map(
    of.manifests.map(m => [m.name, openServiceLog(join(dataFolder, 'logs', `${m.name}.log`))]),
  )
  const modes = new Map<string, SeccompMode>()
  const device = nodeWorld().mapperPath(nodeVolume(known(machine, 'disk')).name)
  const data = firstStarts(dataFolder)
  bindRoot(runFolder)
  const sandboxes = crun({
    run,
    launch,
    runFolder,
    dataOf: data.dataOf,
    withFacts: (name, use) =>
      withClusterSecret(storeFolder(dataFolder), clusterSecret =>
        withServiceFacts(name, { record: of.record, clusterSecret, nameservers: nameservers(machine) }, use),
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
  const audit = startAudit(
    auditWorld(),
    of.manifests.map(m => m.uid),
    machine.stopping.signal,
  )
  const reaper = known(machine, 'reaper')
  const world = serviceWorld({
    crun: sandboxes,
    data,
    onExit: reaper.exitOf,
    wireguardAddress: of.record.wireguard.address,
  })
  const supervisor = createSupervisor(of.manifests, world, { signal: machine.stopping.signal, onChange })
  supervisor.startAll()
  void killInTurn({
    fault: wantedFault(),
    supervisor,
    kill: sandboxes.kill,
    sleep,
    log,
  })
  tieToWatchdog(machine, supervisor)
  const uids = new Map(of.manifests.map(m => [m.name, m.uid]))
  const denied = (name: string) => audit.deniedBy(uids.get(name) ?? 0)
  return { supervisor, logs, audit, seccomp: seccompSwitch(modes, supervisor), denied }
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
