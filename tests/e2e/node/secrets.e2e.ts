import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../../agent/system/run.ts'
import { withHeader } from '../../../agent/unlock/header-file.ts'
import { tryOpen } from '../../../agent/unlock/volume.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { unlockOfferSchema } from '../../../protocol/unlock.ts'
import { makeRawCopy } from '../../../qemu/disk.ts'
import type { WireguardPeer } from '../../../qemu/wireguard.ts'
import { testImage } from '../support/image.ts'
import { droppedPackets, knockEverywhere } from '../support/knock.ts'
import { bootMs, connect, enroll, makeSite, must, type Site } from '../support/node.ts'
import { type Packet, startCapture } from '../support/packets.ts'
import { partitionFile } from '../support/partition-file.ts'
import { query } from '../support/rqlite.ts'
import { readStatus } from '../support/status.ts'
import { findForms, formsOf } from '../support/traces.ts'
import { escrowOpener, nodeFile } from '../support/wallet-file.ts'

const nodeIp = '10.0.0.1'
const waitMs = 30_000

// One machine: what its owner knows, and what others get to see of it from outside, on its disk, in its memory.
t.test('what an enrolled node shows to others', async t => {
  const site = await makeSite(t, await testImage('ordinary'))
  const machine = await site.boot()
  let peer = await enroll(site, machine)
  await machine.console.waitFor('STATE ready\n', bootMs)

  await t.test('the agent is the only process of root', async t => {
    t.same(await rootProcesses(site), [])
  })

  await t.test('no port but the gateway answers from outside, nor a handshake with a wrong key', async t => {
    const capture = await startCapture(site, 'knocks')
    const droppedBefore = await droppedPackets(site)
    await knockEverywhere(site)
    await using stranger = await site.network.wireguard()
    await stranger.configure(await strangersConfig(site))
    await until('the stranger to send a handshake', async () => (await sentBytes(stranger)) > 0)
    // The machine takes packets in their order: with this answer it has had all of them.
    await readStatus(site)
    const packets = await capture.stop()
    const toNode = packets.filter(packet => packet.to === site.port.address)
    for (const protocol of ['tcp', 'udp'])
      t.equal(new Set(toNode.filter(p => p.protocol === protocol).map(p => p.toPort)).size, 65_535, protocol)
    t.equal(await droppedPackets(site), droppedBefore)
    const ownPort = Number(await site.network.exec('wg', ['show', peer.interface, 'listen-port']))
    const answering = answers(site, packets, [ownPort]).map(
      ({ fromPort, protocol }) => `${protocol} ${fromPort}`,
    )
    t.same([...new Set(answering)], ['tcp 443'])
    t.match(await stranger.show('latest-handshakes'), /\t0\n$/)
  })

  await t.test('a handshake with the right key answers', async t => {
    await peer[Symbol.asyncDispose]()
    const capture = await startCapture(site, 'handshake')
    peer = await connect(site)
    await readStatus(site)
    const found = answers(site, await capture.stop(), [])
    t.ok(found.some(({ fromPort, bytes }) => fromPort === 51_820 && bytes === handshakeResponseBytes))
    t.notMatch(await peer.show('latest-handshakes'), /\t0\n$/)
  })

  const marker = randomBytes(32)
  await plant(site, marker)
  const enrolledDump = join(site.folder, 'enrolled.memory')
  await machine.monitor.dumpMemory(enrolledDump)

  must(await site.orama('node', 'command', '--node-ip', nodeIp, 'reboot'))
  await machine.console.waitForBoot(2, bootMs)
  await machine.console.waitFor('STATE locked\n', bootMs)
  const offer = await site.network.exec('curl', ['-sf', `http://${nodeIp}:9998/v1/agent/unlock`])
  const secret = (await escrowOpener(site))(unlockOfferSchema.parse(JSON.parse(offer)).escrow)
  const token = Buffer.from((await nodeFile(site)).enrolled?.agentToken ?? '', 'hex')
  must(await site.orama('node', 'unlock', '--genesis', '--node-ip', nodeIp))
  await machine.console.waitFor('STATE ready\n', bootMs)
  t.match(await query(site, 'SELECT * FROM marker'), marker.toString('hex'))
  const unlockedDump = join(site.folder, 'unlocked.memory')
  await machine.monitor.dumpMemory(unlockedDump)

  for (const [when, dump] of [
    ['the enrollment', enrolledDump],
    ['an unlock', unlockedDump],
  ] as const)
    await t.test(
      `after ${when} the memory holds what a service works with, and no keyslot secret`,
      async t => {
        const found = await findForms(dump, { marker, secret })
        t.same(namesOf(found('marker')), Object.keys(formsOf(marker)).sort(), 'the search finds every form')
        t.same(found('secret'), [])
      },
    )

  await t.test('the agent is the only process of root also after an unlock', async t => {
    t.same(await rootProcesses(site), [])
  })

  await t.test('the whole disk holds neither the keyslot secret nor a row in the clear', async t => {
    await machine.stop()
    const raw = await makeRawCopy(site.disk, join(site.folder, 'disk.img'))
    const found = await findForms(raw.file, { marker, secret, token })
    t.same(namesOf(found('token')), ['hex'], 'the search finds what the header says in the clear')
    t.same(found('marker'), [])
    t.same(found('secret'), [])
    const partition = await partitionFile(raw, join(site.folder, 'data.img'))
    await withHeader(partition.file, join(site.folder, 'header'), async ({ file }) => {
      const opening = { device: partition.file, headerFile: file, secret }
      await t.resolves(tryOpen(run, opening), 'what was searched for is what opens it')
    })
  })
})

/** Helpers that the agent runs for a moment, to renew its lease say, are gone when it is asked again. */
async function rootProcesses(site: Site): Promise<readonly string[]> {
  let found: readonly string[] = []
  await until('root processes to end', async () => {
    found = (await readStatus(site)).rootProcesses
    return found.length === 0
  }).catch(() => undefined)
  return found
}

/** Asks until it is so; the questions themselves take their time. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endsMs = Date.now() + waitMs
  while (!(await isSo())) if (Date.now() > endsMs) throw new Error(`Waited ${waitMs} ms in vain for ${what}`)
}

/** A peer that the node does not know, but who knows the node's key; it tries a handshake at once. */
async function strangersConfig(site: Site): Promise<string> {
  const { hello } = await nodeFile(site)
  return [
    '[Interface]',
    `PrivateKey = ${newKeyPair('x25519').privateKey.toString('base64')}`,
    '[Peer]',
    `PublicKey = ${hello.wireguard}`,
    `Endpoint = ${site.port.address}:51820`,
    'AllowedIPs = 10.0.0.9/32',
    'PersistentKeepalive = 1',
  ].join('\n')
}

async function sentBytes(peer: WireguardPeer): Promise<number> {
  return Number((await peer.show('transfer')).trim().split('\t')[2] ?? 0)
}

// The second message of WireGuard's handshake is the only one of 92 bytes; before it Ethernet, IP and UDP.
const handshakeResponseBytes = 14 + 20 + 8 + 92

// DHCP, DNS and SNTP, which the node itself begins. We knock from higher ports.
const askedPorts = [67, 53, 123]

/** What the node sent beyond ARP and what it began itself; its peers' own ports are not looked at. */
function answers(site: Site, packets: readonly Packet[], peerPorts: readonly number[]): Packet[] {
  return packets
    .filter(({ fromMac, protocol }) => fromMac === site.port.mac && protocol !== 'arp')
    .filter(({ protocol, toPort }) => protocol !== 'udp' || ![...askedPorts, ...peerPorts].includes(toPort))
}

/** A row that holds a marker in every form that is searched for. */
async function plant(site: Site, marker: Buffer): Promise<void> {
  const texts = Object.entries(formsOf(marker)).flatMap(([form, parts]) =>
    form === 'raw' ? [] : [Buffer.concat(parts).toString()],
  )
  await query(site, 'CREATE TABLE marker (texts TEXT, raw BLOB)')
  await query(site, `INSERT INTO marker VALUES ('${texts.join(' ')}', X'${marker.toString('hex')}')`)
}

function namesOf(finds: readonly string[]): string[] {
  return finds.map(find => find.split('@')[0] ?? '').sort()
}
