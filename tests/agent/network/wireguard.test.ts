import { existsSync, readFileSync, statSync } from 'node:fs'
import t from 'tap'
import {
  bringUpWireguard,
  configText,
  handshakesS,
  updateWireguard,
  type WireguardConfig,
} from '../../../agent/network/wireguard.ts'
import { ProgramError, type Run } from '../../../agent/system/run.ts'
import { commandsOf } from './fake-ip.ts'

const privateKey = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7))
const publicKey = Buffer.alloc(32, 9).toString('base64')
const peer = { publicKey, address: '10.0.0.254', endpoint: '198.51.100.7:51820' }
const config: WireguardConfig = {
  privateKey,
  address: '10.0.0.1',
  prefix: 24,
  listenPort: 51820,
  peers: [peer],
}

t.test('configText() is what wg(8) reads', async t =>
  t.equal(
    configText(config).toString(),
    [
      '[Interface]',
      'ListenPort = 51820',
      `PrivateKey = ${privateKey.toString('base64')}`,
      '[Peer]',
      `PublicKey = ${publicKey}`,
      'AllowedIPs = 10.0.0.254/32',
      'Endpoint = 198.51.100.7:51820',
      'PersistentKeepalive = 25',
      '',
    ].join('\n'),
  ),
)

t.test('every key is written as base64, whatever its bits', async t => {
  for (const key of [Buffer.alloc(32), Buffer.alloc(32, 255), Buffer.alloc(32, 0xa5)])
    t.match(configText({ ...config, privateKey: key }).toString(), `PrivateKey = ${key.toString('base64')}\n`)
})

const refused = [
  ['a short private key', { privateKey: Buffer.alloc(31) }],
  ['port 0', { listenPort: 0 }],
  ['a peer key with a line of its own', { peers: [{ ...peer, publicKey: `${publicKey}\nPostUp = x` }] }],
  ['a peer key of 31 bytes', { peers: [{ ...peer, publicKey: Buffer.alloc(31).toString('base64') }] }],
  ['a peer network', { peers: [{ ...peer, address: '10.0.0.0/8' }] }],
  ['all addresses', { peers: [{ ...peer, address: '0.0.0.0' }] }],
  ['an endpoint by name', { peers: [{ ...peer, endpoint: 'host.example:51820' }] }],
  ['an endpoint with a line of its own', { peers: [{ ...peer, endpoint: '1.2.3.4:1\nx = y' }] }],
  ['an endpoint with port 99999', { peers: [{ ...peer, endpoint: '1.2.3.4:99999' }] }],
] as const
for (const [why, change] of refused)
  t.test(`configText() refuses: ${why}`, async t => t.throws(() => configText({ ...config, ...change })))

/** Programs that do what `answers` says: output by the start of the command line, or an error. */
function fakeRun(answers: Readonly<Record<string, string | Error>> = {}) {
  const commands: string[] = []
  const seen = { text: '', mode: 0 }
  const run: Run = async (program, args, options) => {
    const lines = commandsOf(program, args, options)
    commands.push(...lines)
    const line = lines[0] ?? ''
    if (line.startsWith('wg syncconf')) {
      seen.text = readFileSync(args[2] ?? '', 'utf8')
      seen.mode = statSync(args[2] ?? '').mode & 0o777
    }
    const answer = Object.entries(answers).find(([start]) => lines.some(l => l.startsWith(start)))?.[1] ?? ''
    if (answer instanceof Error) throw answer
    return answer
  }
  return { run, commands, seen }
}

t.test('bringUpWireguard() makes the device, its address and one route a peer', async t => {
  const folder = t.testdir()
  const { run, commands, seen } = fakeRun({
    'ip route show': '10.0.0.9 scope link\n10.0.0.254 scope link \n',
  })
  await bringUpWireguard(config, run, folder)
  t.same(commands, [
    'ip link add wg0 type wireguard',
    `wg syncconf wg0 ${folder}/wg0.conf`,
    'ip route show dev wg0',
    'ip addr replace 10.0.0.1/32 dev wg0',
    'ip link set wg0 mtu 1420 up',
    'ip route replace unreachable 10.0.0.0/24 metric 4096',
    'ip route del 10.0.0.9 dev wg0',
    'ip route replace 10.0.0.254/32 dev wg0',
  ])
  t.match(seen, { text: configText(config).toString(), mode: 0o600 })
  t.notOk(existsSync(`${folder}/wg0.conf`), 'the file with the key is gone')
  t.notOk(commands.join().includes(privateKey.toString('base64')), 'the key is in no command line')
})

t.test('a device that is there already is brought up to date', async t => {
  const { run, commands } = fakeRun({
    'ip link add': new ProgramError('ip: status 2: RTNETLINK answers: File exists', 2),
  })
  await bringUpWireguard(config, run, t.testdir())
  t.ok(commands.some(line => line.startsWith('wg syncconf')))
})

const failures = ['ip link add', 'wg syncconf', 'ip addr', 'ip route replace'] as const
for (const start of failures)
  t.test(`where '${start}' fails, bringUpWireguard() does, and leaves no key behind`, async t => {
    const folder = t.testdir()
    const { run } = fakeRun({ [start]: new ProgramError('it went wrong', 1) })
    await t.rejects(bringUpWireguard(config, run, folder), { message: 'it went wrong' })
    t.notOk(existsSync(`${folder}/wg0.conf`))
  })

t.test('updateWireguard() changes peers, and only the routes that are others', async t => {
  const folder = t.testdir()
  const { run, commands, seen } = fakeRun()
  await updateWireguard({ ...config, present: new Set(['10.0.0.9']) }, run, folder)
  t.same(commands, [
    `wg syncconf wg0 ${folder}/wg0.conf`,
    'ip route del 10.0.0.9 dev wg0',
    'ip route replace 10.0.0.254/32 dev wg0',
  ])
  t.match(seen, { text: configText(config).toString(), mode: 0o600 })
  t.notOk(existsSync(`${folder}/wg0.conf`), 'the file with the key is gone')
  commands.length = 0
  await updateWireguard({ ...config, present: new Set(['10.0.0.254']) }, run, folder)
  t.same(commands, [`wg syncconf wg0 ${folder}/wg0.conf`], 'another endpoint is no other route')
})

for (const start of ['wg syncconf', 'ip route'])
  t.test(`where '${start}' fails, updateWireguard() does, and leaves no key behind`, async t => {
    const folder = t.testdir()
    const { run } = fakeRun({ [start]: new ProgramError('it went wrong', 1) })
    await t.rejects(updateWireguard({ ...config, present: new Set() }, run, folder), {
      message: 'it went wrong',
    })
    t.notOk(existsSync(`${folder}/wg0.conf`))
  })

t.test('handshakesS() tells handshakes and never asks for the private key', async t => {
  const { run, commands } = fakeRun({
    'wg show wg0 latest-handshakes': `${publicKey}\t1790000000\nother=\t0\n`,
  })
  t.same(
    [...(await handshakesS(run))],
    [
      [publicKey, 1_790_000_000],
      ['other=', undefined],
    ],
  )
  t.notOk(commands.some(line => /dump|private-key/.test(line)))
})
