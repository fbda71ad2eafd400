import { join } from 'node:path'
import { servicePassword } from '../../protocol/cluster-secret.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { bindRoot, crun } from '../services/crun.ts'
import { openServiceLog, type ServiceLog } from '../services/logs.ts'
import type { Manifest } from '../services/manifest.ts'
import { createSupervisor, type Supervisor } from '../services/supervisor.ts'
import { serviceWorld } from '../services/world.ts'
import { launch } from '../system/launch.ts'
import { bootTimeMs } from '../system/libc.ts'
import { run } from '../system/run.ts'
import { storeFolder, withClusterSecret } from '../unlock/record-store.ts'
import { known, type Machine } from './machine.ts'
import { dataFolder } from './volume.ts'

/** In memory, not reachable from inside a sandbox. */
const runFolder = '/run/orama'

export type Services = {
  readonly supervisor: Supervisor
  readonly logs: ReadonlyMap<string, ServiceLog>
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
  bindRoot(runFolder)
  const sandboxes = crun({
    run,
    launch,
    runFolder,
    dataFolder,
    nodeId: of.record.nodeId,
    wireguardAddress: of.record.wireguard.address,
    passwordOf: name =>
      withClusterSecret(storeFolder(dataFolder), secret => Promise.resolve(servicePassword(secret, name))),
    logOf: name => {
      const log = logs.get(name)
      if (log === undefined) throw new RangeError(`Cannot find the log of '${name}'`)
      return log
    },
  })
  const reaper = known(machine, 'reaper')
  const world = serviceWorld({
    crun: sandboxes,
    onExit: reaper.exitOf,
    wireguardAddress: of.record.wireguard.address,
  })
  const supervisor = createSupervisor(of.manifests, world, { signal: machine.stopping.signal, onChange })
  supervisor.startAll()
  tieToWatchdog(machine, supervisor)
  return { supervisor, logs }
}

/** A supervisor that has stopped looking at its services is a node that hangs. */
function tieToWatchdog(machine: Machine, supervisor: Supervisor): void {
  const pass = machine.watchdog?.expectPasses()
  if (pass === undefined) return
  setInterval(() => {
    if (bootTimeMs() - supervisor.lastPassMs() < passAgeMaxMs) pass()
  }, passCheckMs)
}
