import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAborted } from '../system/abort.ts'
import { tolerate } from '../system/log.ts'
import type { Run } from '../system/run.ts'
import { applyAddress, type LinkAddress, removeAddress, writeResolvConf } from './address.ts'
import { ip } from './ip.ts'
import { isHostAddress, networkOf } from '../../protocol/ipv4.ts'

/** An Ethernet interface of the machine. `mac` is lower case. */
export type Link = { readonly name: string; readonly mac: string; readonly carrier: boolean }

/** `network` of the operator file. */
export type StaticNetwork = {
  /** With its prefix: '1.2.3.4/24'. */
  readonly address: string
  readonly gateway: string
  readonly dns: readonly string[]
  /** Name or hardware address; without it, the first link that gets a carrier. */
  readonly interface?: string | undefined
}

export type LinkWorld = {
  readonly run: Run
  readonly list: () => Promise<readonly Link[]>
  readonly sleep: (ms: number) => Promise<unknown>
}

const carrierTries = 50
const carrierPauseMs = 200
const followPauseMs = 1_000

/**
 * Brings up lo and every Ethernet interface, waits until one has a carrier, at most 10 s, and returns all of them,
 * also those without. Throws Error where the machine has no Ethernet interface at all.
 */
export async function bringUpLinks(world: LinkWorld): Promise<readonly Link[]> {
  const links = await world.list()
  await ip(
    world.run,
    ['lo', ...links.map(link => link.name)].map(name => `link set ${name} up`),
  )
  if (links.length === 0) throw new Error('Cannot find an Ethernet interface')
  for (let attempt = 0; attempt < carrierTries; attempt++) {
    const seen = await world.list()
    if (seen.some(link => link.carrier)) return seen
    await world.sleep(carrierPauseMs)
  }
  return world.list()
}

/** The real machine. */
export function linkWorld(run: Run): LinkWorld {
  return { run, list: () => listLinks(), sleep }
}

/** Ethernet interfaces that belong to a device: not lo, not wg0, no bridges or tunnels; by name. */
export async function listLinks(folder = '/sys/class/net'): Promise<Link[]> {
  const links: Link[] = []
  for (const name of (await readdir(folder)).sort()) {
    const link = await readLink(folder, name).catch(() => undefined)
    if (link !== undefined) links.push(link)
  }
  return links
}

async function readLink(folder: string, name: string): Promise<Link | undefined> {
  const field = async (file: string) => (await readFile(join(folder, name, file), 'utf8')).trim()
  const ethernet = '1' // ARPHRD_ETHER
  if ((await field('type')) !== ethernet) return undefined
  await readlink(join(folder, name, 'device'))
  // Reading `carrier` of an interface that is down is EINVAL.
  const carrier = await field('carrier').catch(() => '0')
  return { name, mac: await field('address'), carrier: carrier === '1' }
}

/**
 * Gives the operator's static address. The link needs no carrier: the kernel keeps the address until it has one.
 * Throws RangeError where the file names a link that is not there.
 */
export async function applyStaticNetwork(
  network: StaticNetwork,
  links: readonly Link[],
  run: Run,
): Promise<LinkAddress> {
  const wanted = planStatic(network, links)
  await run('ip', ['link', 'set', wanted.link, 'up'])
  await applyAddress(wanted, run)
  await writeResolvConf(network.dns)
  return wanted
}

/** Which link gets what. Pure. */
export function planStatic(network: StaticNetwork, links: readonly Link[]): LinkAddress {
  const [address = '', bits = ''] = network.address.split('/')
  const prefix = Number(bits)
  networkOf(address, prefix)
  if (!isHostAddress(address) || !isHostAddress(network.gateway))
    throw new RangeError(`Cannot use static address '${network.address}' via '${network.gateway}'`)
  const named = network.interface
  const link =
    named === undefined
      ? (links.find(l => l.carrier) ?? links[0])
      : links.find(l => l.name === named || l.mac === named.toLowerCase())
  if (link === undefined) throw new RangeError(`Cannot find interface '${named ?? 'with a carrier'}'`)
  return { link: link.name, address, prefix, gateway: network.gateway }
}

/**
 * For an address that no interface is named for and that was given while none had a carrier: waits for the first
 * one, for as long as it takes, and moves the address there. Returns which link has it then.
 */
export async function followCarrier(
  world: LinkWorld,
  given: LinkAddress,
  signal: AbortSignal,
): Promise<LinkAddress> {
  while (!isAborted(signal)) {
    const ready = (await world.list()).filter(link => link.carrier)
    const [first] = ready
    if (first !== undefined) {
      if (ready.some(link => link.name === given.link)) return given
      const moved = { ...given, link: first.name }
      await removeAddress(given, world.run).catch(tolerate(`address of ${given.link}`))
      await applyAddress(moved, world.run)
      return moved
    }
    await world.sleep(followPauseMs)
  }
  return given
}
