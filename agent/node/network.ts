import { type ClockData, startClock } from '../network/clock.ts'
import { clockWorld } from '../network/clock-world.ts'
import { keepAddress } from '../network/dhcp.ts'
import { dhcpWorld } from '../network/dhcp-world.ts'
import { applyFirewall, type FirewallState } from '../network/firewall.ts'
import { applyStaticNetwork, bringUpLinks, followCarrier, linkWorld } from '../network/links.ts'
import { begin } from '../system/begin.ts'
import { log, tolerate } from '../system/log.ts'
import { run } from '../system/run.ts'
import { known, type Machine } from './machine.ts'

/** How long the boot waits for an address; after that it goes on and the address comes when it comes. */
const addressWaitMs = 10_000

/**
 * A carrier takes seconds on real cables. Nothing answers yet: no interface has an address, and before one has,
 * nothing comes in but the answers of a DHCP server.
 */
export function beginNetwork(machine: Machine): void {
  const closed = { enrollmentOpen: false, dhcp: true, outsideTcp: [], services: [] }
  machine.firewallClosed = begin(applyFirewall(closed, run))
  machine.links = begin(bringUpLinks(linkWorld(run)))
}

/** Waits until the node is closed; what the owner of a blank one needs is opened while the network comes up. */
export async function closeFirewall(machine: Machine): Promise<void> {
  await known(machine, 'firewallClosed')
  if (known(machine, 'data').kind === 'enrolled') return
  machine.firewallOpened = begin(applyFirewall(publicSide(machine), run))
}

/** The rules before enrollment or before WireGuard is up. */
export function publicSide(machine: Machine): FirewallState {
  // Also where nobody can be enrolled: port 9999 then says why.
  const enrollmentOpen = known(machine, 'data').kind !== 'enrolled'
  return {
    enrollmentOpen,
    dhcp: staticNetwork(machine) === undefined,
    outsideTcp: enrollmentOpen ? gatewayPorts(machine) : [],
    services: [],
  }
}

/** The rules of an enrolled node; `outsideTcp` as `FirewallState` has it, none unless told otherwise. */
export function enrolledSide(
  machine: Machine,
  side: Required<Pick<FirewallState, 'wireguard' | 'services'>> & Partial<Pick<FirewallState, 'outsideTcp'>>,
): FirewallState {
  return { ...publicSide(machine), enrollmentOpen: false, outsideTcp: [], ...side }
}

/** The static address of the operator's file, or DHCP on every link in turn. */
export async function findNetwork(machine: Machine): Promise<void> {
  const world = linkWorld(run)
  // An interface may have been found since.
  const links = await known(machine, 'links').catch(() => bringUpLinks(world))
  const fixed = staticNetwork(machine)
  if (fixed === undefined) {
    await firstLease(machine)
    return
  }
  const given = await applyStaticNetwork(fixed, links, run)
  machine.address = given.address
  log(`network: ${given.address} on ${given.link} (static)`)
  if (fixed.interface !== undefined) return
  void followCarrier(world, given, machine.stopping.signal)
    .then(({ address, link }) => {
      if (link !== given.link) log(`network: ${address} moved to ${link}, which has a carrier`)
    })
    .catch(tolerate('static address'))
}

function firstLease(machine: Machine): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new Error('no DHCP server has answered yet'))
    }, addressWaitMs)
    void keepAddress(dhcpWorld(run), {
      signal: machine.stopping.signal,
      onChange: lease => {
        machine.lease = lease
        machine.address = lease?.address
        log(
          lease === undefined
            ? 'network: the lease is lost'
            : `network: ${lease.address} on ${lease.link} (DHCP)`,
        )
        clearTimeout(late)
        resolve()
      },
    }).catch(tolerate('DHCP'))
  })
}

/** A node that waits for its owner calls its gateway. */
function gatewayPorts({ operator }: Machine): number[] {
  const gateway = operator?.kind === 'file' ? operator.file.gateway : undefined
  return gateway === undefined ? [] : [Number(new URL(gateway).port || 443)]
}

function staticNetwork(machine: Machine) {
  return machine.operator?.kind === 'file' ? machine.operator.file.network : undefined
}

/** Servers of DHCP, the operator's file and the image, in this order; at most 3 s are waited for. */
export async function setClock(machine: Machine): Promise<void> {
  const image = known(machine, 'image')
  await startClock(clockWorld(), {
    servers: () => [
      ...(machine.lease?.ntp ?? []),
      ...(machine.operator?.kind === 'file' ? (machine.operator.file.ntp ?? []) : []),
      ...image.ntp,
    ],
    builtMs: image.buildTimeS * 1000,
    data: () => clockData(machine),
    signal: machine.stopping.signal,
  })
}

function clockData(machine: Machine): ClockData {
  if (machine.dataOpen === true) return 'open'
  return machine.data?.kind === 'enrolled' ? 'locked' : 'blank'
}
