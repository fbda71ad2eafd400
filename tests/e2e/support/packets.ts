import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Site } from './node.ts'
import { poll } from './poll.ts'

/** What a captured Ethernet frame was; ports only for TCP and UDP. */
export type Packet = {
  readonly fromMac: string
  readonly protocol: 'arp' | 'icmp' | 'tcp' | 'udp' | 'other'
  readonly from: string
  readonly to: string
  readonly fromPort: number
  readonly toPort: number
  /** Of the whole frame. */
  readonly bytes: number
}

export type Capture = {
  /** Ends the capture; everything that crossed the network before the call is in it. */
  readonly stop: () => Promise<readonly Packet[]>
}

const stopMs = 30_000
const pollMs = 50
// The buffer has room for as many packets as a machine has ports, however late they are fetched, if each takes no
// more of it than its headers need.
const bufferKib = 65_536
const keptBytes = 128
const lastPort = 9
const lastBytes = 777

/** Starts to record all packets of the site's network. */
export async function startCapture(site: Site, name: string): Promise<Capture> {
  const file = join(site.folder, `${name}.pcap`)
  const buffering = ['--immediate-mode', '-B', String(bufferKib), '-s', String(keptBytes)]
  const tcpdump = await site.network.capture(file, buffering)
  const isLast = ({ protocol, toPort, bytes }: Packet) =>
    protocol === 'udp' && toPort === lastPort && bytes > lastBytes
  const stop = async () => {
    // tcpdump drops what it has not fetched yet when it is told to end: so first a packet that is known has to come.
    await sendLast(site)
    const wanted = (packets: readonly Packet[]) => packets.some(isLast)
    const what = `the last packet in '${file}'`
    await poll({ ask: () => readPackets(file), wanted, what, deadlineMs: stopMs, askAgainMs: pollMs })
    await tcpdump.stop()
    return (await readPackets(file)).filter(packet => !isLast(packet))
  }
  return { stop }
}

async function sendLast({ network, port }: Site): Promise<void> {
  const inside = await network.namespace.enter()
  const socket = createSocket('udp4')
  try {
    await new Promise(resolve => {
      socket.send(Buffer.alloc(lastBytes), lastPort, port.address, resolve)
    })
  } finally {
    socket.close()
    await inside[Symbol.asyncDispose]()
  }
}

const fileHeaderBytes = 24
const recordHeaderBytes = 16
const littleEndianMagic = 0xa1b2c3d4

/** All whole packets of a file that may still grow: pcap as tcpdump writes it here (pcap-savefile(5)), of Ethernet. */
async function readPackets(path: string): Promise<Packet[]> {
  const file = await readFile(path)
  if (file.length < fileHeaderBytes) return []
  if (file.readUInt32LE(0) !== littleEndianMagic || file.readUInt32LE(20) !== 1)
    throw new SyntaxError(`Cannot read '${path}': not a capture of Ethernet in this byte order`)
  const packets: Packet[] = []
  for (let at = fileHeaderBytes; at + recordHeaderBytes <= file.length;) {
    const kept = file.readUInt32LE(at + 8)
    const end = at + recordHeaderBytes + kept
    if (end > file.length) break
    packets.push(parseFrame(file.subarray(at + recordHeaderBytes, end), file.readUInt32LE(at + 12)))
    at = end
  }
  return packets
}

const protocols: Readonly<Record<number, Packet['protocol']>> = { 1: 'icmp', 6: 'tcp', 17: 'udp' }

function parseFrame(frame: Buffer, bytes: number): Packet {
  const mac = [...frame.subarray(6, 12)].map(byte => byte.toString(16).padStart(2, '0')).join(':')
  const base = { fromMac: mac, from: '', to: '', fromPort: 0, toPort: 0, bytes }
  const type = frame.readUInt16BE(12)
  if (type === 0x0806) return { ...base, protocol: 'arp' }
  if (type !== 0x0800) return { ...base, protocol: 'other' }
  const ip = frame.subarray(14)
  const protocol = protocols[ip.readUInt8(9)] ?? 'other'
  const addresses = { from: addressAt(ip, 12), to: addressAt(ip, 16) }
  if (protocol !== 'tcp' && protocol !== 'udp') return { ...base, ...addresses, protocol }
  const inner = ip.subarray((ip.readUInt8(0) & 15) * 4)
  const ports = { fromPort: inner.readUInt16BE(0), toPort: inner.readUInt16BE(2) }
  return { ...base, ...addresses, ...ports, protocol }
}

function addressAt(ip: Buffer, at: number): string {
  return [...ip.subarray(at, at + 4)].join('.')
}
