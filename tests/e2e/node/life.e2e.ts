import { join } from 'node:path'
import t from 'tap'
import { enrollmentCode, helloPageSchema } from '../../../protocol/hello.ts'
import { statusSchema } from '../../../protocol/status.ts'
import { testImage } from '../support/image.ts'
import { bootMs, connect, enrollment, makeSite, must, readConsole, type Site } from '../support/node.ts'
import { query } from '../support/rqlite.ts'
import { readStatus } from '../support/status.ts'

const nodeIp = '10.0.0.1'

// One machine, from power-on in setup mode to the second life of its data: boot once, assert much.
t.test('the life of a genesis node', async t => {
  const site = await makeSite(t, await testImage('ordinary'))
  const machine = await site.boot({ varsFile: join(site.folder, 'setup-mode.vars.fd') })
  const { address } = site.port

  await t.test('an image on firmware in setup mode enrolls its keys and starts with Secure Boot', async t => {
    await machine.console.waitFor('Custom Secure Boot keys successfully enrolled', bootMs)
    await machine.console.waitFor('EFI stub: UEFI Secure Boot is enabled', bootMs)
    t.equal(machine.console.boots(), 2)
  })

  const shown = await readConsole(machine)
  // Ctrl-S: all that is waited for below still comes, since the console takes no input.
  machine.type('\x13')
  const page = await site.network.exec('curl', ['-sf', `http://${address}:9999/`])

  await t.test('the code on the console is the scrypt of the hello on 9999', async t => {
    const { code, hello } = helloPageSchema.parse(JSON.parse(page))
    t.equal(code, shown.code)
    t.equal(await enrollmentCode(hello), shown.code)
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

  await t.test('after a reboot it is locked, and the bearer token unlocks nothing', async t => {
    must(await site.orama('node', 'command', '--node-ip', nodeIp, 'reboot'))
    await machine.console.waitForBoot(3, bootMs)
    await machine.console.waitFor('STATE locked\n', bootMs)
    t.equal((await readStatus(site)).state, 'locked')
    t.equal(await httpStatus(site, '/v1/agent/unlock', ['-X', 'POST', '-d', '{}']), '400')
    t.equal((await readStatus(site)).state, 'locked')
  })

  await t.test('its owner unlocks it, and the row is still there', async t => {
    must(await site.orama('node', 'unlock', '--genesis', '--node-ip', nodeIp))
    await machine.console.waitFor('STATE ready\n', bootMs)
    t.match(await query(site, 'SELECT word FROM proof'), 'still here')
  })
})

function httpStatus(site: Site, path: string, flags: readonly string[]): Promise<string> {
  const quiet = ['-s', '-m', '20', '-o', '/dev/null', '-w', '%{http_code}']
  return site.network.exec('curl', [...quiet, ...flags, `http://${nodeIp}:9998${path}`])
}
