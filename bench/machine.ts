import { setTimeout as pause } from 'node:timers/promises'
import type { Machine } from '../qemu/machine.ts'
import { workFolder } from '../qemu/folder.ts'
import { testImage } from '../tests/e2e/support/image.ts'
import { bootMs, enroll, makeSite, must, type Site } from '../tests/e2e/support/node.ts'
import { readStatus } from '../tests/e2e/support/status.ts'
import { nodeFile } from '../tests/e2e/support/wallet-file.ts'
import { benchStack } from './bench-stack.ts'
import { median } from './median.ts'
import { getText, readyAfterS } from './probe.ts'
import { enrollS } from './stamps.ts'
import { systemdReadyS } from './systemd.ts'
import type { Values } from './table.ts'

const boots = 3
/** After the last service became ready: until then the agent still works. */
const settleMs = 20_000

/** Figures of a running node: one machine with two cores, from its first boot to its unlock. */
export async function machineFigures(): Promise<Values> {
  const { ready_s, ...node } = await nodeFigures()
  await using folder = await workFolder()
  return { ready_s, ...node, boot_vs_systemd: ready_s / (await systemdReadyS(folder.path)) }
}

type NodeFigures = Values & { readonly ready_s: number }

async function nodeFigures(): Promise<NodeFigures> {
  await using stack = new AsyncDisposableStack()
  const site = await makeSite(benchStack(stack), await testImage('ordinary'))
  const ready_s = await readyS(site)
  const machine = await site.boot({ cpus: 2 })
  const enrolled = await enrolledFigures(site, machine)
  return { ready_s, ...enrolled, ...(await unlockFigures(site, machine)) }
}

/**
 * The median of some boots of the blank image, each from power-on: a reset leaves an emulated processor's counter of
 * cycles running, and the next kernel takes that for time of its own.
 */
async function readyS(site: Site): Promise<number> {
  const times: number[] = []
  for (let boot = 1; boot <= boots; boot++) {
    const machine = await site.boot({ cpus: 2, name: `blank-${boot}` })
    times.push(await readyAfterS(machine.console, site.network, `http://${site.port.address}:9999/`))
    await machine.stop()
  }
  return median(times)
}

async function enrolledFigures(site: Site, machine: Machine): Promise<Values> {
  await enroll(site, machine)
  const enroll_s = await enrollS(machine.console, bootMs)
  await pause(settleMs)
  const { wireguard, enrolled } = await nodeFile(site)
  if (enrolled === undefined) throw new Error('Cannot ask the node: its file has no token')
  const url = `http://${wireguard.nodeAddress}:9998/v1/agent/metrics`
  const text = await getText(site.network, url, { authorization: `Bearer ${enrolled.agentToken}` })
  const bytes = /^orama_agent_memory_bytes (\d+)$/m.exec(text)?.[1]
  if (bytes === undefined) throw new SyntaxError('Cannot find the memory of the agent in its metrics')
  const { services } = await readStatus(site)
  const kept = Object.values(services).reduce((sum, { memoryBytes = 0 }) => sum + memoryBytes, Number(bytes))
  return { enroll_s, agent_idle_mb: Number(bytes) / 1e6, node_idle_mb: kept / 1e6 }
}

async function unlockFigures(site: Site, machine: Machine): Promise<Values> {
  const next = machine.console.waitForBoot(machine.console.boots() + 1, bootMs)
  must(await site.orama('node', 'command', 'reboot', '--node-ip', site.port.address))
  await next
  await machine.console.waitFor('STATE locked\n', bootMs)
  must(await site.orama('node', 'unlock', '--genesis', '--node-ip', site.port.address))
  const line = /secret received to data mounted: (\d+) ms/
  const { groups } = await machine.console.waitFor(line, bootMs)
  const mountedMs = performance.now()
  await machine.console.waitFor('STATE ready\n', bootMs)
  return { unlock_ms: Number(groups[0]), services_ready_s: (performance.now() - mountedMs) / 1000 }
}
