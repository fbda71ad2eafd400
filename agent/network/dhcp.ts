import { isAborted } from '../system/abort.ts'
import type { Run } from '../system/run.ts'
import { applyAddress, type LinkAddress, removeAddress, writeResolvConf } from './address.ts'
import {
  type DhcpClient,
  type DhcpReply,
  type DhcpTerms,
  encodeDiscover,
  encodeRelease,
  encodeRequest,
} from './dhcp-message.ts'
import type { Link } from './links.ts'

/** A lease that the node holds. `endsMs` counts in the world's clock. */
export type DhcpLease = DhcpTerms & {
  readonly link: string
  readonly boundMs: number
  readonly endsMs: number
}

export type DhcpQuestion<T> = {
  readonly link: string
  readonly message: Buffer
  /** A server, or 255.255.255.255. */
  readonly to: string
  readonly client: DhcpClient
  readonly timeoutMs: number
  /** Called with each well-formed answer to this client; the first that is not undefined ends the exchange. */
  readonly accept: (reply: DhcpReply) => T | undefined
}

/** What the client needs of the world; `dhcpWorld` in dhcp-world.ts is the real one. */
export type DhcpWorld = {
  /** Sends a message and waits for an accepted answer; undefined after the time-out. Never throws. */
  readonly exchange: <T>(question: DhcpQuestion<T>) => Promise<T | undefined>
  /** Sends without waiting. */
  readonly tell: (link: string, message: Buffer, to: string) => Promise<void>
  readonly run: Run
  readonly links: () => Promise<readonly Link[]>
  /** A clock that nobody sets and that counts through suspend. */
  readonly nowMs: () => number
  /** Throws when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** 0 ≤ x < 1. */
  readonly random: () => number
  readonly log: (line: string) => void
}

export type DhcpOptions = {
  readonly hostname?: string
  readonly signal: AbortSignal
  /** A new lease, another address, or undefined: the address is gone. Not called for a mere renewal. */
  readonly onChange: (lease: DhcpLease | undefined) => void
}

const everybody = '255.255.255.255'
const retryMinMs = 2_000
// RFC 2131 doubles up to 64 s; a machine that waits for its network should find it sooner after a repair.
const retryMaxMs = 32_000
const renewPauseMinMs = 60_000
const sleepMaxMs = 60_000

/**
 * Gets an address and keeps it until the signal is aborted; then gives it back. Never fails: without a server it
 * asks for ever, with pauses of at most half a minute.
 */
export async function keepAddress(world: DhcpWorld, options: DhcpOptions): Promise<void> {
  const { signal } = options
  while (!signal.aborted) {
    const lease = await findLease(world, options)
    if (lease === undefined) return
    await useLease(world, lease)
    options.onChange(lease)
    await holdLease(world, options, lease)
    options.onChange(undefined)
  }
}

/** init → selecting → requesting, on each link with a carrier in turn. Undefined once the signal is aborted. */
async function findLease(
  world: DhcpWorld,
  { hostname, signal }: DhcpOptions,
): Promise<DhcpLease | undefined> {
  const clients = new Map<string, DhcpClient>()
  for (let attempt = 0; !isAborted(signal); attempt++) {
    const startedMs = world.nowMs()
    const waitMs = jitter(Math.min(retryMinMs * 2 ** Math.min(attempt, 10), retryMaxMs), world)
    for (const link of (await world.links().catch(() => [])).filter(l => l.carrier)) {
      // One transaction until there is a lease: servers that first try the address answer late.
      const client = clients.get(link.name) ?? newClient(world, link, hostname)
      clients.set(link.name, client)
      const lease = await askLink(world, { link: link.name, client, waitMs })
      if (lease !== undefined) return lease
      if (isAborted(signal)) return undefined
    }
    // No link, or a server that refuses at once: the pause keeps that from becoming a storm.
    if (world.nowMs() - startedMs < retryMinMs / 2)
      await world.sleep(retryMinMs, signal).catch(() => undefined)
  }
  return undefined
}

type Ask = { readonly link: string; readonly client: DhcpClient; readonly waitMs: number }

async function askLink(world: DhcpWorld, { link, client, waitMs }: Ask): Promise<DhcpLease | undefined> {
  const question = { link, to: everybody, client, timeoutMs: waitMs }
  const offer = await world.exchange({
    ...question,
    message: encodeDiscover(client),
    accept: reply => (reply.kind === 'offer' ? reply : undefined),
  })
  if (offer === undefined) return undefined
  const askedMs = world.nowMs()
  const answer = await world.exchange({
    ...question,
    message: encodeRequest(client, { offer }),
    accept: reply => answerTo(reply, offer),
  })
  return answer?.kind === 'ack' ? leaseOf(answer, link, askedMs) : undefined
}

/** Bound → renewing → rebinding; returns when the lease is lost or the signal is aborted. */
async function holdLease(world: DhcpWorld, options: DhcpOptions, first: DhcpLease): Promise<void> {
  const { signal } = options
  let lease = first
  try {
    for (;;) {
      const next = await renew(world, options, lease)
      if (next === undefined) break
      if (sameAddress(next, lease)) world.log(`dhcp: ${next.address} renewed for ${next.leaseS} s`)
      else await moveTo(world, options, { from: lease, to: next })
      lease = next
    }
  } catch (cause) {
    // The sleep ended because the signal was aborted: give the address back.
    if (!isAborted(signal)) throw cause
    await release(world, lease)
  }
  await dropLease(world, lease)
}

/** Sleeps until T1, then asks until there is an answer; undefined after a refusal or at the lease's end. */
async function renew(
  world: DhcpWorld,
  options: DhcpOptions,
  lease: DhcpLease,
): Promise<DhcpLease | undefined> {
  const at = (seconds: number) => lease.boundMs + seconds * 1000
  await sleepUntil(world, at(lease.renewS), options.signal)
  while (world.nowMs() < lease.endsMs) {
    const rebinding = world.nowMs() >= at(lease.rebindS)
    const deadlineMs = rebinding ? lease.endsMs : at(lease.rebindS)
    const reply = await askAgain(world, options, { lease, to: rebinding ? everybody : lease.serverId })
    if (reply?.kind === 'nak') return undefined
    if (reply !== undefined) return reply
    // RFC 2131, 4.4.5: half of what is left, but not more often than once a minute.
    const pauseMs = Math.max((deadlineMs - world.nowMs()) / 2, renewPauseMinMs)
    await sleepUntil(world, Math.min(world.nowMs() + jitter(pauseMs, world), deadlineMs), options.signal)
  }
  world.log(`dhcp: the lease of ${lease.address} ended without an answer`)
  return undefined
}

type Again = { readonly lease: DhcpLease; readonly to: string }
type Answer = ({ readonly kind: 'ack' } & DhcpLease) | { readonly kind: 'nak' } | undefined

async function askAgain(world: DhcpWorld, { hostname }: DhcpOptions, { lease, to }: Again): Promise<Answer> {
  const link = (await world.links().catch(() => [])).find(l => l.name === lease.link)
  if (link === undefined) return undefined
  const client = newClient(world, link, hostname)
  const askedMs = world.nowMs()
  const message = encodeRequest(client, { current: lease.address })
  // While it asks its own server only, a refusal by another one is none of its business.
  const mayRefuse = (serverId: string) => to === everybody || serverId === lease.serverId
  const accept = (reply: DhcpReply) =>
    reply.kind === 'ack' || (reply.kind === 'nak' && mayRefuse(reply.serverId)) ? reply : undefined
  const answer = await world.exchange({ link: link.name, message, to, client, timeoutMs: retryMinMs, accept })
  if (answer?.kind === 'ack') return { kind: 'ack', ...leaseOf(answer, link.name, askedMs) }
  if (answer === undefined) return undefined
  world.log(`dhcp: ${answer.serverId} refuses to renew ${lease.address}`)
  return { kind: 'nak' }
}

function answerTo(reply: DhcpReply, offer: DhcpTerms): DhcpReply | undefined {
  if (reply.serverId !== offer.serverId || reply.kind === 'offer') return undefined
  if (reply.kind === 'ack' && reply.address !== offer.address) return undefined
  return reply
}

function leaseOf(terms: DhcpTerms, link: string, askedMs: number): DhcpLease {
  // Counted from the question, not the answer: the server's clock started somewhere between.
  return { ...terms, link, boundMs: askedMs, endsMs: askedMs + terms.leaseS * 1000 }
}

async function useLease(world: DhcpWorld, lease: DhcpLease): Promise<void> {
  world.log(
    `dhcp: ${lease.address}/${lease.prefix} on ${lease.link} from ${lease.serverId} for ${lease.leaseS} s`,
  )
  await applyAddress(linkAddress(lease), world.run).catch(complain(world))
  await writeResolvConf(lease.dns).catch(complain(world))
}

async function moveTo(
  world: DhcpWorld,
  options: DhcpOptions,
  move: { from: DhcpLease; to: DhcpLease },
): Promise<void> {
  await removeAddress(linkAddress(move.from), world.run).catch(complain(world))
  await useLease(world, move.to)
  options.onChange(move.to)
}

async function dropLease(world: DhcpWorld, lease: DhcpLease): Promise<void> {
  await removeAddress(linkAddress(lease), world.run).catch(complain(world))
}

async function release(world: DhcpWorld, lease: DhcpLease): Promise<void> {
  const link = (await world.links().catch(() => [])).find(l => l.name === lease.link)
  if (link === undefined) return
  const message = encodeRelease(newClient(world, link), lease)
  await world.tell(lease.link, message, lease.serverId).catch(complain(world))
}

function newClient(world: DhcpWorld, link: Link, hostname?: string): DhcpClient {
  const transaction = Math.floor(world.random() * 2 ** 32)
  return { mac: link.mac, transaction, ...(hostname === undefined ? {} : { hostname }) }
}

function linkAddress(lease: DhcpLease): LinkAddress {
  const [gateway] = lease.routers
  const { link, address, prefix } = lease
  return { link, address, prefix, ...(gateway === undefined ? {} : { gateway }) }
}

function sameAddress(a: DhcpLease, b: DhcpLease): boolean {
  const key = (l: DhcpLease) => [l.address, l.prefix, l.routers[0], ...l.dns, ...l.ntp].join(' ')
  return key(a) === key(b)
}

/** In steps: a suspended machine must notice on waking that its lease is over. */
async function sleepUntil(world: DhcpWorld, timeMs: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = timeMs - world.nowMs(); leftMs > 0; leftMs = timeMs - world.nowMs())
    await world.sleep(Math.min(leftMs, sleepMaxMs), signal)
}

/** Between 3/4 and 5/4, so that a rack of nodes after a power cut does not speak in chorus. */
function jitter(ms: number, world: DhcpWorld): number {
  return ms * (0.75 + world.random() / 2)
}

function complain(world: DhcpWorld) {
  return (cause: unknown) => {
    world.log(`dhcp: ${String(cause)}`)
  }
}
