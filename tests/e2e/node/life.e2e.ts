import { randomBytes } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { qrLines } from '../../../agent/enroll/qr.ts'
import { enrollmentCode, helloPageSchema } from '../../../protocol/hello.ts'
import { statusSchema } from '../../../protocol/status.ts'
import { testImage } from '../support/image.ts'
import {
  bootMs,
  connect,
  enrollment,
  makeSite,
  must,
  operatorOf,
  readConsole,
  type Site,
  startOrama,
} from '../support/node.ts'
import { outputOf } from '../support/output.ts'
import { query } from '../support/rqlite.ts'
import { readStatus } from '../support/status.ts'
import { fetchSecret, postUnlock, unlockRequest } from '../support/unlocking.ts'
import { nodeFile, walletKey } from '../support/wallet-file.ts'

const nodeIp = '10.0.0.1'
const minuteMs = 60_000

// One machine, from power-on in setup mode to the second life of its data: boot once, assert much.
t.test('the life of a genesis node', async t => {
  const site = await makeSite(t, await testImage('ordinary'))
  const varsFile = join(site.folder, 'setup-mode.vars.fd')
  // Its hardware clock has no battery: the time can only come from the network.
  const machine = await site.boot({ varsFile, clock: '2001-01-01T00:00:00' })
  const { address } = site.port

  await t.test('an image on firmware in setup mode enrolls its keys and starts with Secure Boot', async t => {
    await machine.console.waitFor('Custom Secure Boot keys successfully enrolled', bootMs)
    await machine.console.waitFor('EFI stub: UEFI Secure Boot is enabled', bootMs)
    t.equal(machine.console.boots(), 2)
  })

  // Of three servers that it asks only the one of DHCP, option 42, is there: names of the outside do not resolve.
  const clock = await machine.console.waitFor(/clock: moved by \d+\.\d+ s, 1 of 3 servers answered\n/, bootMs)
  const shown = await readConsole(machine, clock.end)
  // Ctrl-S: all that is waited for below still comes, since the console takes no input.
  machine.type('\x13')
  const page = await site.network.exec('curl', ['-sf', `http://${address}:9999/`])

  await t.test('the code on the console is the scrypt of the hello on 9999', async t => {
    const { code, hello } = helloPageSchema.parse(JSON.parse(page))
    t.equal(code, shown.code)
    t.equal(await enrollmentCode(hello), shown.code)
  })

  await t.test('a clock of another century is set by SNTP before the code is shown', async t => {
    t.match(machine.console.text(), 'clock: older than the image; set to its build time')
    const { hello } = helloPageSchema.parse(JSON.parse(page))
    const endsInMs = Date.parse(hello.expires) - Date.now()
    t.ok(endsInMs > 10 * minuteMs && endsInMs < 16 * minuteMs, hello.expires)
  })

  await t.test('the console shows the address as a QR code too', async t => {
    const lines = machine.console.text().split('\n')
    t.same(
      qrLines(`http://${address}:9999/`).filter(line => !lines.includes(line)),
      [],
    )
  })

  await t.test('9999 shows people a page without a script, and nobody the claim word', async t => {
    const html = await site.network.exec('curl', [
      '-sf',
      '-H',
      'Accept: text/html',
      `http://${address}:9999/`,
    ])
    t.match(html, shown.code)
    t.notMatch(html, '<script')
    t.notMatch(html + page, shown.claim)
  })

  await t.test('a code that is not the one on the console is a man in the middle', async t => {
    must(await site.orama('wallet', 'new'))
    const wrong = shown.code.startsWith('0') ? `1${shown.code.slice(1)}` : `0${shown.code.slice(1)}`
    const refused = await site.orama(...enrollment(site, { ...shown, code: wrong }))
    t.equal(refused.status, 5)
  })

  await t.test('a stranger without the claim word is refused by the node', async t => {
    const wrong = shown.claim === '000000' ? '111111' : '000000'
    const refused = await site.orama(...enrollment(site, { ...shown, claim: wrong }))
    t.equal(refused.status, 3)
    t.match(refused.error, 'claim word is wrong')
  })

  await t.test('the owner enrolls it, and it gets ready', async () => {
    must(await site.orama(...enrollment(site, shown)))
    await connect(site)
    await machine.console.waitFor('STATE ready\n', bootMs)
  })

  await t.test('status tells what runs', async t => {
    const text = must(await site.orama('node', 'status', '--node-ip', nodeIp, '--json'))
    t.match(statusSchema.parse(JSON.parse(text)), {
      slot: 'A',
      state: 'ready',
      secureBoot: true,
      identity: 'unsealed',
      test: false,
      watchdog: /^hardware i6300ESB/,
      services: { rqlite: { state: 'ready', restarts: 0 } },
    })
    const { nodeId, hostname } = await readStatus(site)
    t.equal(hostname, nodeId)
  })

  await t.test('health and metrics tell the same, to programs', async t => {
    t.match(await askAgent(site, 'health'), {
      status: 200,
      body: /"healthy":true,"state":"ready".*"rqlite":true/,
    })
    const { status, body } = await askAgent(site, 'metrics')
    t.equal(status, 200)
    const samples = body.split('\n')
    for (const sample of ['orama_state{state="ready"} 1', 'orama_service_ready{service="rqlite"} 1'])
      t.ok(samples.includes(sample), sample)
    t.match(body, /^orama_agent_memory_bytes \d{8,9}$/m)
  })

  await t.test('9999 is closed for good', async t => {
    await t.rejects(site.network.exec('curl', ['-s', '-m', '3', `http://${address}:9999/`]), /status 28/)
  })

  await t.test('without the right bearer token 9998 tells nothing', async t => {
    for (const token of ['', 'Bearer ', `Bearer ${'0'.repeat(64)}`, '0'.repeat(64)]) {
      const status = await httpStatus(site, '/v1/agent/status', ['-H', `Authorization: ${token}`])
      t.equal(status, '401', `'${token}'`)
    }
  })

  await t.test('a row is written to rqlite', async t => {
    await query(site, 'CREATE TABLE proof (word TEXT)')
    await query(site, "INSERT INTO proof VALUES ('still here')")
    t.match(await query(site, 'SELECT word FROM proof'), 'still here')
  })

  await t.test('after a reboot it is locked, and says so', async t => {
    must(await site.orama('node', 'command', '--node-ip', nodeIp, 'reboot'))
    await machine.console.waitForBoot(3, bootMs)
    await machine.console.waitFor('STATE locked\n', bootMs)
    t.equal((await readStatus(site)).state, 'locked')
    t.match(await askAgent(site, 'health'), { status: 503, body: /"healthy":false,"state":"locked"/ })
  })

  const stranger = operatorOf(site.network, join(site.folder, 'stranger'))
  const owner = await walletKey(site)
  const secret = await fetchSecret(site)
  const answer = (signer: Buffer, sent: Buffer) => unlockRequest(site, { signer, secret: sent })
  const refused: Readonly<Record<string, readonly [() => Promise<object>, status: number, why: string]>> = {
    'the bearer token alone': [() => Promise.resolve({}), 400, 'order'],
    'the right secret without an order': [
      async () => ({ box: (await answer(owner, secret)).box }),
      400,
      'order',
    ],
    "the right secret under a stranger's order": [
      () => answer(randomBytes(32), secret),
      403,
      'who is not the owner',
    ],
    "the owner's order over the box of another": [
      async () => ({ ...(await answer(owner, secret)), box: (await answer(owner, secret)).box }),
      403,
      'the box does not open',
    ],
    'a wrong secret under an order of the owner': [
      () => answer(owner, randomBytes(32)),
      403,
      'this key does not open the volume',
    ],
  }
  for (const [what, [request, status, why]] of Object.entries(refused))
    await t.test(`${what} unlocks nothing, and the node waits on`, async t => {
      const answer = await postUnlock(site, await request())
      t.equal(answer.status, status)
      t.match(answer.body, { error: why })
      t.equal((await readStatus(site)).state, 'locked')
    })

  await t.test("a stranger's wallet does not open the escrow, also with all files of the owner", async t => {
    must(await stranger('wallet', 'new'))
    await cp(join(site.folder, 'operator/nodes'), join(site.folder, 'stranger/operator/nodes'), {
      recursive: true,
    })
    const outcome = await stranger('node', 'unlock', '--genesis', '--node-ip', nodeIp)
    t.equal(outcome.status, 1)
    t.match(outcome.error, 'escrow does not open')
    t.equal((await readStatus(site)).state, 'locked')
  })

  await t.test('its owner unlocks it after all that, and the row is still there', async t => {
    const where = ['--node-ip', nodeIp]
    await using following = await startOrama(site, 'node', 'logs', ...where, '--lines', '1', '--follow')
    const followed = outputOf(following)
    // What was there already; from here on it follows.
    await followed(/\[ *\d/, bootMs)
    must(await site.orama('node', 'unlock', '--genesis', ...where))
    await machine.console.waitFor('STATE ready\n', bootMs)
    t.match(await query(site, 'SELECT word FROM proof'), 'still here')
    t.match(await followed(/unlock: secret received/, bootMs), 'to data mounted')
  })
})

async function askAgent(site: Site, path: string): Promise<{ status: number; body: string }> {
  const { enrolled } = await nodeFile(site)
  const flags = [
    '-s',
    '-m',
    '20',
    '-w',
    '\n%{http_code}',
    '-K',
    '-',
    `http://${nodeIp}:9998/v1/agent/${path}`,
  ]
  const text = await site.network.exec('curl', flags, {
    input: `header = "Authorization: Bearer ${enrolled?.agentToken ?? ''}"\n`,
  })
  const end = text.lastIndexOf('\n')
  return { status: Number(text.slice(end)), body: text.slice(0, end) }
}

function httpStatus(site: Site, path: string, flags: readonly string[]): Promise<string> {
  const quiet = ['-s', '-m', '20', '-o', '/dev/null', '-w', '%{http_code}']
  return site.network.exec('curl', [...quiet, ...flags, `http://${nodeIp}:9998${path}`])
}
