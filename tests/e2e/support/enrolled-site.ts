import type { Machine } from '../../../qemu/machine.ts'
import type { Disk } from '../../../qemu/disk.ts'
import type { WireguardPeer } from '../../../qemu/wireguard.ts'
import { testImage } from './image.ts'
import type { Test } from './keep.ts'
import { bootMs, connect, enroll, makeSite, type Outcome, type Site } from './node.ts'
import { rawDisk } from './raw-disk.ts'

/** An enrolled node, with its disk in the test's hands. */
export type EnrolledSite = {
  readonly site: Site
  /** What the disk was made from. */
  readonly image: string
  readonly disk: Disk
  /** Starts the node, waits until it is locked, and brings the operator's WireGuard up anew. */
  readonly boot: (name: string) => Promise<Machine>
  /** The owner's own command, with the right wallet. */
  readonly unlock: () => Promise<Outcome>
}

/** Enrolls a node of the ordinary image on a raw disk, and switches it off. */
export async function enrolledSite(t: Test): Promise<EnrolledSite> {
  const { first, ...enrolled } = await runningSite(t)
  await first.stop()
  return enrolled
}

/** Enrolls a node of the ordinary image on a raw disk; `first` is the machine that it runs on. */
export async function runningSite(t: Test): Promise<EnrolledSite & { readonly first: Machine }> {
  const image = await testImage('ordinary')
  const site = await makeSite(t, image)
  const disk = await rawDisk(site, image)
  const first = await site.boot({ disk, name: 'enroll' })
  let peer: WireguardPeer = await enroll(site, first)
  const boot = async (name: string) => {
    const machine = await site.boot({ disk, name })
    await machine.console.waitFor('STATE locked\n', bootMs)
    // The node has forgotten its sessions; the old peer would find that out only after 15 s.
    await peer[Symbol.asyncDispose]()
    peer = await connect(site)
    return machine
  }
  return {
    site,
    image,
    disk,
    first,
    boot,
    unlock: () => site.orama('node', 'unlock', '--genesis', '--node-ip', '10.0.0.1'),
  }
}
