import { formatIpv4, isHostAddress, parseIpv4, prefixOfMask } from '../../protocol/ipv4.ts'

/** What the server gave: RFC 2131, options of RFC 2132. Times are seconds from the acknowledgement on. */
export type DhcpTerms = {
  readonly address: string
  readonly prefix: number
  readonly serverId: string
  readonly routers: readonly string[]
  readonly dns: readonly string[]
  readonly ntp: readonly string[]
  readonly leaseS: number
  /** T1: from here on the own server is asked. */
  readonly renewS: number
  /** T2: from here on every server is asked. */
  readonly rebindS: number
}

export type DhcpReply =
  ({ readonly kind: 'offer' | 'ack' } & DhcpTerms) | { readonly kind: 'nak'; readonly serverId: string }

/** Whose message it is. `mac` is '52:54:00:12:34:56'; `transaction` 32 random bits. */
export type DhcpClient = { readonly mac: string; readonly transaction: number; readonly hostname?: string }

const kinds = { discover: 1, offer: 2, request: 3, ack: 5, nak: 6, release: 7 } as const
const option = {
  pad: 0,
  mask: 1,
  routers: 3,
  dns: 6,
  hostname: 12,
  ntp: 42,
  address: 50,
  lease: 51,
  overload: 52,
  kind: 53,
  serverId: 54,
  wanted: 55,
  maxSize: 57,
  renew: 58,
  rebind: 59,
  clientId: 61,
  end: 255,
} as const

const cookie = 0x63825363
const optionsAt = 240
const sizeMin = 300
const sizeMax = 1472
const addressesMax = 8
// Shorter leases would keep the node busy with nothing else; longer ones are asked for once a day anyway.
const leaseMinS = 60
const leaseMaxS = 30 * 86_400
const renewMaxS = 86_400

/** DHCPDISCOVER: is anybody there? */
export function encodeDiscover(client: DhcpClient): Buffer {
  return encode({ client, kind: kinds.discover, broadcast: true, options: hello(client) })
}

/**
 * DHCPREQUEST. With `offer` it takes an offer (selecting); with `current` it asks for more time for the address
 * that the node has (renewing, rebinding), to which servers answer by unicast.
 */
export function encodeRequest(
  client: DhcpClient,
  what: { readonly offer: DhcpTerms } | { readonly current: string },
): Buffer {
  if ('current' in what)
    return encode({
      client,
      kind: kinds.request,
      broadcast: false,
      address: what.current,
      options: hello(client),
    })
  const { address, serverId } = what.offer
  const choice = [field(option.address, ipv4(address)), field(option.serverId, ipv4(serverId))]
  return encode({ client, kind: kinds.request, broadcast: true, options: [...choice, ...hello(client)] })
}

/** DHCPRELEASE: the address is free again. */
export function encodeRelease(client: DhcpClient, terms: Pick<DhcpTerms, 'address' | 'serverId'>): Buffer {
  const options = [field(option.serverId, ipv4(terms.serverId)), clientId(client)]
  return encode({ client, kind: kinds.release, broadcast: false, address: terms.address, options })
}

/**
 * Reads an answer to this client. Throws SyntaxError for everything that is not one, or that a careful server
 * would not send: anybody on the wire can answer.
 */
export function parseReply(bytes: Uint8Array, client: DhcpClient): DhcpReply {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (message.length < optionsAt || message.length > sizeMax) fail(`${message.length} bytes`)
  checkHead(message, client)
  const options = readAllOptions(message)
  const kind = options.get(option.kind)
  const serverId = hostAddress(options.get(option.serverId), 'server identifier')
  const code = kind?.length === 1 ? kind[0] : undefined
  if (code === kinds.nak) return { kind: 'nak', serverId }
  if (code === kinds.offer) return { kind: 'offer', ...readTerms(message, options, serverId) }
  if (code === kinds.ack) return { kind: 'ack', ...readTerms(message, options, serverId) }
  return fail(`message type ${String(code)}`)
}

type Fields = {
  readonly client: DhcpClient
  readonly kind: number
  readonly broadcast: boolean
  readonly address?: string
  readonly options: readonly Buffer[]
}

function encode({ client, kind, broadcast, address = '0.0.0.0', options }: Fields): Buffer {
  const head = Buffer.alloc(optionsAt)
  head.set([1, 1, 6, 0])
  head.writeUInt32BE(client.transaction, 4)
  // Before it has an address, the node can only hear answers to everybody.
  if (broadcast) head.writeUInt16BE(0x8000, 10)
  ipv4(address).copy(head, 12)
  macBytes(client.mac).copy(head, 28)
  head.writeUInt32BE(cookie, 236)
  const body = Buffer.concat([
    head,
    field(option.kind, Buffer.from([kind])),
    ...options,
    Buffer.from([option.end]),
  ])
  // Some relays drop what is shorter than a BOOTP message.
  return Buffer.concat([body, Buffer.alloc(Math.max(0, sizeMin - body.length))])
}

function hello(client: DhcpClient): Buffer[] {
  const size = Buffer.alloc(2)
  size.writeUInt16BE(sizeMax)
  const wanted = [
    option.mask,
    option.routers,
    option.dns,
    option.ntp,
    option.lease,
    option.renew,
    option.rebind,
  ]
  const name =
    client.hostname === undefined ? [] : [field(option.hostname, Buffer.from(client.hostname, 'ascii'))]
  return [clientId(client), ...name, field(option.maxSize, size), field(option.wanted, Buffer.from(wanted))]
}

function clientId(client: DhcpClient): Buffer {
  return field(option.clientId, Buffer.concat([Buffer.from([1]), macBytes(client.mac)]))
}

function field(code: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([code, value.length]), value])
}

function checkHead(message: Buffer, client: DhcpClient): void {
  if (message[0] !== 2 || message[1] !== 1 || message[2] !== 6) fail('not a reply for Ethernet')
  if (message.readUInt32BE(4) !== client.transaction) fail('another transaction')
  if (!message.subarray(28, 34).equals(macBytes(client.mac))) fail('another client')
  if (message.readUInt32BE(236) !== cookie) fail('no magic cookie')
}

type Options = Map<number, Buffer>

/** Options field, then (option 52) the boot file and server name fields; repeated options are one (RFC 3396). */
function readAllOptions(message: Buffer): Options {
  const options: Options = new Map()
  readOptions(message.subarray(optionsAt), options)
  const overload = options.get(option.overload)?.[0] ?? 0
  if (overload > 3) fail('option overload')
  if ((overload & 1) !== 0) readOptions(message.subarray(108, 236), options)
  if ((overload & 2) !== 0) readOptions(message.subarray(44, 108), options)
  return options
}

function readOptions(area: Buffer, options: Options): void {
  for (let at = 0; at < area.length;) {
    const code = area.readUInt8(at)
    if (code === option.end) return
    if (code === option.pad) {
      at += 1
      continue
    }
    const size = area[at + 1] ?? fail('option without length')
    if (at + 2 + size > area.length) fail(`option ${code} is cut off`)
    const value = area.subarray(at + 2, at + 2 + size)
    const before = options.get(code)
    options.set(code, before === undefined ? value : Buffer.concat([before, value]))
    at += 2 + size
  }
}

function readTerms(message: Buffer, options: Options, serverId: string): DhcpTerms {
  const address = hostAddress(message.subarray(16, 20), 'address')
  const mask = options.get(option.mask)
  const prefix = mask?.length === 4 ? prefixOfMask(mask.readUInt32BE(0)) : undefined
  if (prefix === undefined || prefix < 1) fail('subnet mask')
  return {
    address,
    prefix,
    serverId,
    routers: hostAddresses(options.get(option.routers)),
    dns: hostAddresses(options.get(option.dns)),
    ntp: hostAddresses(options.get(option.ntp)),
    ...readTimes(options),
  }
}

/** T1 and T2 where they make sense (0 < T1 < T2 < lease), else 1/2 and 7/8 of the lease (RFC 2131, 4.4.5). */
function readTimes(options: Options): Pick<DhcpTerms, 'leaseS' | 'renewS' | 'rebindS'> {
  const asked = seconds(options.get(option.lease)) ?? fail('no lease time')
  const leaseS = Math.min(Math.max(asked, leaseMinS), leaseMaxS)
  const rebind = seconds(options.get(option.rebind)) ?? 0
  const rebindS = rebind > 1 && rebind < leaseS ? rebind : Math.floor(leaseS * 0.875)
  const renew = seconds(options.get(option.renew)) ?? 0
  const renewS = renew > 0 && renew < rebindS ? renew : Math.min(Math.floor(leaseS * 0.5), rebindS - 1)
  return { leaseS, renewS: Math.min(renewS, renewMaxS), rebindS }
}

function seconds(value: Buffer | undefined): number | undefined {
  return value?.length === 4 ? value.readUInt32BE(0) : undefined
}

function hostAddress(value: Buffer | undefined, what: string): string {
  const [address] = hostAddresses(value)
  return value?.length === 4 && address !== undefined ? address : fail(what)
}

/** Addresses that a host can have; others are left out, as is all beyond the eighth. */
function hostAddresses(value: Buffer = Buffer.alloc(0)): string[] {
  const count = Math.min(Math.floor(value.length / 4), addressesMax)
  const all = Array.from({ length: count }, (_, index) => formatIpv4(value.readUInt32BE(index * 4)))
  return all.filter(isHostAddress)
}

function ipv4(text: string): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(parseIpv4(text) ?? fail(`address '${text}'`))
  return bytes
}

function macBytes(mac: string): Buffer {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) fail(`hardware address '${mac}'`)
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}

function fail(why: string): never {
  throw new SyntaxError(`Cannot use DHCP message: ${why}`)
}
