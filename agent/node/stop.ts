import { reboot } from '../system/libc.ts'
import { log, tolerate } from '../system/log.ts'
import { eraseVolume } from '../unlock/erase.ts'
import { abandon } from '../unlock/open.ts'
import { hasLeft } from './leave.ts'
import { known, type Machine } from './machine.ts'
import type { Services } from './services.ts'
import { nodeVolume, nodeWorld } from './volume.ts'

export type End = 'restart' | 'power-off'

/** What stopping does to the machine itself; `stopWorld` is the real one. */
export type StopWorld = {
  /** Unmounts the data and closes the volume. */
  readonly closeData: (machine: Machine) => Promise<void>
  /** Destroys what opens the volume. */
  readonly erase: (machine: Machine) => Promise<void>
  /** Syncs and ends. */
  readonly end: (how: End) => void
  readonly after: (ms: number, call: () => void) => void
}

/** Longer than any service's grace; after that the disk is left to its journal. */
const stopMsMax = 90_000

/**
 * Services in reverse order, disk closed, synced, then the end: of what runs and is open at this moment, since a node
 * can be enrolled or unlocked after the power button was set up. What hangs does not hold it up for ever.
 */
export async function stopMachine(machine: Machine, how: End, world: StopWorld = stopWorld): Promise<void> {
  if (machine.state.current().name === 'stopping') return
  machine.state.become('stopping')
  world.after(stopMsMax, () => {
    log('stopping: took too long, ending now')
    world.end(how)
  })
  // While WireGuard and the lease key are there.
  await machine.node?.care?.goodbye().catch(tolerate('goodbye'))
  const services = machine.node?.services
  if (services !== undefined) {
    await services.supervisor.stopAll().catch(tolerate('stop services'))
    await closeLogs(services).catch(tolerate('close logs'))
  }
  await machine.node?.rekey?.stop().catch(tolerate('rekey'))
  if (machine.dataOpen === true) await world.closeData(machine).catch(tolerate('close data'))
  if (machine.node !== undefined && hasLeft(machine.node.view.into(machine.node.record)))
    await erase(machine, world)
  machine.stopping.abort()
  world.end(how)
}

/** However the node was told to stop: from its departure on nobody opens the disk again. */
async function erase(machine: Machine, world: StopWorld): Promise<void> {
  await world.erase(machine).then(() => {
    log('leave: what opened the disk is destroyed')
  }, tolerate('destroying what opens the disk'))
}

async function closeLogs(services: Services): Promise<void> {
  for (const serviceLog of services.logs.values()) await serviceLog[Symbol.asyncDispose]()
}

const stopWorld: StopWorld = {
  closeData: machine => abandon(nodeWorld(), nodeVolume(known(machine, 'disk'))),
  erase: machine => eraseVolume(known(machine, 'disk').data),
  end: reboot,
  after: (ms, call) => void setTimeout(call, ms),
}
