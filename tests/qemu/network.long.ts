import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startMachine } from '../../qemu/machine.ts'
import { startNetwork } from '../../qemu/network.ts'
import { keepOnFailure } from '../e2e/support/keep.ts'
import { testFolder } from '../e2e/support/folder.ts'

// Needs root (a network namespace) and boots firmware: about 15 s; not a unit test.
const skip = process.getuid?.() === 0 ? false : 'needs root'
// For the runner; each wait has a shorter deadline of its own.
t.setTimeout(600_000)

t.test('the network has DHCP, SNTP and WireGuard, and is gone afterwards', { skip }, async t => {
  const folder = await testFolder(t)
  let name = ''
  {
    // Firmware takes an offer only if it names something to boot.
    const dnsmasqArguments = ['--dhcp-boot=nothing.efi']
    await using network = await startNetwork({ folder, dnsmasqArguments })
    name = network.namespace.name
    const capture = await network.capture(join(folder, 'packets.pcap'), ['port', '67'])
    const port = await network.attach()

    // The firmware's own network boot is a DHCP client that nobody here wrote.
    await using machine = await startMachine({ folder, port, secureBoot: false, memoryMib: 256 })
    keepOnFailure(t, machine, {
      files: { dhcp: join(folder, 'dnsmasq.log'), packets: join(folder, 'packets.pcap') },
    })
    const leased = await machine.console.waitFor(/Station IP address is ([\d.]+)/, 60_000)
    t.equal(leased.groups[0], port.address)
    await capture.stop()
    t.match(await network.exec('tcpdump', ['-nvr', join(folder, 'packets.pcap')]), /NTP[^\n]*192\.0\.2\.1/)

    await network.setTimeOffset(3_600_000)
    const inside = await network.namespace.enter()
    const ahead = (await askTime(network.hostAddress)) - Date.now()
    await inside[Symbol.asyncDispose]()
    t.ok(Math.abs(ahead - 3_600_000) < 60_000, `an hour ahead: ${ahead}`)

    const wireguard = await network.wireguard()
    const privateKey = (await network.exec('wg', ['genkey'])).trim()
    const config = `[Interface]\nPrivateKey = ${privateKey}\nAddress = 10.0.0.254/24\nPostUp = touch ${folder}/run\n`
    await wireguard.configure(config)
    const expected = (await network.exec('wg', ['pubkey'], { input: privateKey })).trim()
    t.equal((await wireguard.show('public-key')).trim(), expected)
    t.match(await network.exec('ip', ['address']), '10.0.0.254/24')
    t.rejects(readFile(join(folder, 'run')), 'PostUp was not run')
  }
  t.notMatch(await readFile('/proc/mounts', 'utf8'), name, 'the namespace is deleted')
})

/** One SNTP question; the transmit time of the answer in milliseconds since 1970. */
async function askTime(server: string): Promise<number> {
  const socket = createSocket('udp4')
  try {
    const request = Buffer.alloc(48)
    request.writeUInt8(0x23, 0)
    socket.send(request, 123, server)
    const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })) as [Buffer]
    return (reply.readUInt32BE(40) - 2_208_988_800) * 1000
  } finally {
    socket.close()
  }
}
