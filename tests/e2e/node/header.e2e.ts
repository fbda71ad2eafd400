import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { readNodeToken } from '../../../agent/unlock/tokens.ts'
import { statusSchema } from '../../../protocol/status.ts'
import { toBase64url } from '../../../protocol/fields.ts'
import { addressOf, publicKeyOf } from '../../../protocol/wallet.ts'
import type { Machine } from '../../../qemu/machine.ts'
import type { WireguardPeer } from '../../../qemu/wireguard.ts'
import {
  editHeader,
  editRecord,
  headerOfAnother,
  parseHeader,
  putHeader,
  takeHeader,
} from '../support/header.ts'
import { testImage } from '../support/image.ts'
import { bootMs, connect, enroll, makeSite, must } from '../support/node.ts'
import { hashAt, partitionOf, rawDisk } from '../support/raw-disk.ts'

const nodeIp = ['--node-ip', '10.0.0.1']

// Whoever holds the disk can write the header, also while the node waits: it is read again with each unlock.
t.test('a changed LUKS2 header', async t => {
  const image = await testImage('ordinary')
  const site = await makeSite(t, image)
  const disk = await rawDisk(site, image)
  let peer: WireguardPeer
  const unlock = () => site.orama('node', 'unlock', '--genesis', ...nodeIp)
  const boot = async (name: string) => {
    const machine = await site.boot({ disk, name })
    await machine.console.waitFor('STATE locked\n', bootMs)
    return machine
  }
  // The node has forgotten its sessions; the peer would find that out only after 15 s.
  const bootAndConnect = async (name: string) => {
    const machine = await boot(name)
    await peer[Symbol.asyncDispose]()
    peer = await connect(site)
    return machine
  }

  const first = await site.boot({ disk, name: 'enroll' })
  peer = await enroll(site, first)
  await first.stop()
  const lastWeek = await takeHeader(disk)
  const second = await bootAndConnect('first-unlock')
  must(await unlock())
  await second.stop()
  const good = await takeHeader(disk)
  t.equal(recordOf(lastWeek).revision, 1)
  t.equal(recordOf(good).revision, 2)

  const machine = await bootAndConnect('swaps')
  const strange = randomBytes(32)
  const swaps = {
    'the token of last week': [lastWeek, 3, /revision 1 is older than 2/],
    'another agent token': [editRecord(good, { agentToken: strange.toString('hex') }), 3, /was altered/],
    'another owner': [editRecord(good, ownerOf(strange)), 3, /was altered/],
    'the token of another volume': [editRecord(good, { luksUuid: randomUUID() }), 3, /for another volume/],
    'the whole header of another node': [
      await headerOfAnother(good, site.folder),
      3,
      /does not open the volume/,
    ],
    'a null cipher': [withNullCipher(good), 3, /segments\.0\.encryption/],
    'a reencryption in progress': [inReencryption(good), 3, /config/],
  } as const
  for (const [what, [header, exit, reason]] of Object.entries(swaps))
    await t.test(`${what}: the unlock is refused, nothing starts, nothing is written`, async t => {
      await putHeader(disk, header)
      const refused = await unlock()
      t.equal(refused.status, exit)
      t.match(refused.error, reason)
      t.ok((await takeHeader(disk)).equals(header), 'the header stays as it was found')
      const status = must(await site.orama('node', 'status', ...nodeIp, '--json'))
      t.match(statusSchema.parse(JSON.parse(status)), { state: 'locked', services: {} })
      t.notMatch(machine.console.text(), /STATE (starting|ready)/)
    })

  await t.test('the good header back in its place: the same unlock opens it', async () => {
    await putHeader(disk, good)
    must(await unlock())
    await machine.console.waitFor('STATE ready\n', bootMs)
    await powerOff(machine)
  })

  await t.test(
    'another owner in the header from the start: the real one is refused, and nobody else has the key',
    async t => {
      const now = await takeHeader(disk)
      await putHeader(disk, editRecord(now, ownerOf(strange)))
      const machine = await bootAndConnect('owner')
      const refused = await unlock()
      t.equal(refused.status, 3)
      t.match(refused.error, 'only the owner of this node can unlock it')
      await machine.stop()
      await putHeader(disk, now)
    },
  )

  await t.test(
    'a null cipher in the header from the start: refused with its reason, not formatted',
    async t => {
      await putHeader(disk, withNullCipher(await takeHeader(disk)))
      const data = await partitionOf(disk, 'data')
      const before = await hashAt(disk, data)
      const machine = await boot('null-cipher')
      t.match(machine.console.text(), /data: refused: Cannot trust LUKS2 header: segments\.0\.encryption/)
      t.notMatch(machine.console.text(), /ENROLLMENT CODE|STATE blank/)
      await machine.stop()
      t.equal(await hashAt(disk, data), before)
    },
  )
})

function recordOf(header: Buffer) {
  return readNodeToken(parseHeader(header)).record
}

function ownerOf(privateKey: Uint8Array) {
  const publicKey = publicKeyOf(privateKey)
  return { owner: addressOf(publicKey), ownerPublicKey: toBase64url(publicKey) }
}

function withNullCipher(header: Buffer): Buffer {
  return editHeader(header, ({ segments }) =>
    Object.assign(segments?.['0'] ?? {}, { encryption: 'cipher_null-ecb' }),
  )
}

function inReencryption(header: Buffer): Buffer {
  const requirements = { mandatory: ['online-reencrypt-v2'] }
  return editHeader(header, ({ config }) => Object.assign(config ?? {}, { requirements }))
}

async function powerOff(machine: Machine): Promise<void> {
  await machine.monitor.powerDown()
  await machine.exited
}
