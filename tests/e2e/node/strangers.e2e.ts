import { connect as connectTo } from 'node:net'
import t from 'tap'
import { newSession } from '../../../agent/enroll/session.ts'
import type { Completion } from '../../../protocol/completion.ts'
import { fromBase64url, toBase64url } from '../../../protocol/fields.ts'
import { type HelloPage, helloPageSchema } from '../../../protocol/hello.ts'
import { within } from '../../../qemu/deadline.ts'
import { strangersCompletion } from '../support/completion.ts'
import { ask, completePath, posted, type Question } from '../support/enrollment-port.ts'
import { fileSystemState } from '../support/file-system.ts'
import { testImage } from '../support/image.ts'
import { startMiddleman } from '../support/middleman.ts'
import { bootMs, connect, enrollment, makeSite, must, readConsole, type Site } from '../support/node.ts'

// The node gives up on a request after 10 s; an emulated one may take its time to notice.
const slowMs = 60_000

// One machine in enrollment mode, and everybody on its network but its owner; who comes last, and is let in.
t.test('strangers on port 9999', async t => {
  const site = await makeSite(t, await testImage('ordinary'))
  await site.network.exec('nft', ['-f', '-'], { input: noSntp })
  const machine = await site.boot({ clock: '2001-01-01T00:00:00' })
  const early = await readConsole(machine)
  const untold = machine.console.text()
  await site.network.exec('nft', ['delete', 'table', 'ip', 'silence'])
  const told = await machine.console.waitFor(/clock: moved by \d+\.\d+ s, 1 of 3 servers answered\n/, bootMs)
  const shown = await readConsole(machine, told.end)

  await t.test('the boot does not wait for the time; when it comes another code is shown', async t => {
    t.match(untold, 'clock: older than the image; set to its build time')
    t.notMatch(untold, 'clock: moved')
    t.not(shown.code, early.code)
  })

  const inside = await site.network.namespace.enter()
  t.teardown(() => inside[Symbol.asyncDispose]())
  const page = helloPageSchema.parse((await ask(site, {})).body)
  const { hello } = page
  const good = await strangersCompletion(hello, site.port.address)
  const earlier = await strangersCompletion((await ownPage()).hello, site.port.address)

  const text = JSON.stringify(good)
  const refused: readonly (readonly [what: string, question: Question, status: number, why: string])[] = [
    ['a body of more than 1 MiB', posted(' '.repeat(1024 ** 2 + 1)), 413, 'body too large'],
    ['a body where none is wanted', { body: 'x' }, 413, 'body too large'],
    ['what is not JSON', posted('{"v":1'), 400, 'not JSON'],
    ['what is not UTF-8', posted(Buffer.of(0x22, 0xff, 0x22)), 400, 'not JSON'],
    ['a field too many', posted(text.replace('{', '{"extra":1,')), 400, 'does not fit'],
    ['a field too few', posted(text.replace('"ephemeral"', '"ephemera"')), 400, 'ephemeral'],
    ['an endless box', posted({ ...good, box: 'A'.repeat(1020 * 1024) }), 400, 'box'],
    ['the wrong method', { path: completePath }, 405, 'method not allowed'],
    ['an unknown path', { path: '/v1/agent/status' }, 404, 'no such route'],
    ['a path that every object has', { path: '/constructor' }, 404, 'no such route'],
    ['no claim word', posted(good), 403, 'claim word is wrong'],
    ['a box with one other bit', posted(altered(good)), 403, 'Cannot open box'],
    ['the completion of an earlier hello', posted(earlier), 403, 'another hello'],
    [
      'its seal under a grant for this one',
      posted({ ...earlier, grant: good.grant }),
      403,
      'Cannot open box',
    ],
    [
      'a grant that was edited',
      posted(text.replace(`node-ip: ${site.port.address}`, 'node-ip: 192.0.2.9')),
      403,
      'the authority of a genesis is its owner',
    ],
  ]
  for (const [what, question, status, why] of refused)
    await t.test(`refused with ${status} and a reason: ${what}`, async t => {
      const answer = await ask(site, question)
      t.equal(answer.status, status)
      t.match(answer.body, { error: why, hint: /\w/ })
    })

  await t.test('a body that grows without saying how long it gets is refused', async t => {
    const answer = await ask(site, {
      ...posted('x'.repeat(1.5 * 1024 ** 2)),
      flags: ['-H', 'Transfer-Encoding: chunked'],
    })
    t.equal(answer.status, 413)
  })

  await t.test('clients that never come to an end are cut off, and hold up nobody', async t => {
    const head = `POST ${completePath} HTTP/1.1\r\nHost: node\r\n`
    const slow = [head, `${head}Content-Length: 100\r\n\r\n{`].map(start => speak(site, start, 'x'))
    t.equal((await ask(site, {})).status, 200)
    for (const said of await within(Promise.all(slow), slowMs, 'slow clients to be cut off'))
      t.match(said, /^HTTP\/1.1 408 /)
  })

  await t.test('of 200 connections at once each is answered or closed', async t => {
    const asking = Array.from({ length: 200 }, () => speak(site, 'GET / HTTP/1.0\r\n\r\n'))
    const said = await within(Promise.all(asking), slowMs, '200 connections to end')
    const answered = said.filter(text => text.startsWith('HTTP/1.1 200 ') && text.includes(page.code))
    t.equal(said.filter(text => text !== '').length, answered.length)
    t.ok(answered.length > 0, `${answered.length} were answered`)
  })

  await t.test('200 connections that say nothing are closed, and then the port answers again', async t => {
    const silent = Array.from({ length: 200 }, () => speak(site, ''))
    await within(Promise.all(silent), slowMs, 'silent connections to be closed')
    t.equal((await ask(site, {})).status, 200)
  })

  await t.test('meanwhile its address, which was leased for two minutes, is renewed', async () => {
    await machine.console.waitFor(`dhcp: ${site.port.address} renewed for 120 s\n`, bootMs)
  })

  must(await site.orama('wallet', 'new'))
  const owner = enrollment(site, shown)
  const lies = [
    ['his own hello', (own: HelloPage) => own],
    ['his own hello with the code of the node', (own: HelloPage) => ({ ...own, code: shown.code })],
  ] as const
  for (const [what, lie] of lies)
    await t.test(`somebody in between who shows ${what} learns nothing`, async t => {
      const own = Buffer.from(JSON.stringify(lie(await ownPage())))
      await using middleman = await startMiddleman(site, () => Promise.resolve({ status: 200, body: own }))
      t.equal((await site.orama(...owner)).status, 5)
      t.same(middleman.seen, ['GET /'])
    })

  await t.test(
    'after all that the owner enrolls it; meanwhile a second completion is turned away',
    async t => {
      const middleman = await startMiddleman(site, async ({ method }, forward) => {
        const answer = await forward()
        return method === 'POST' && answer.status === 200 ? 'cut' : answer
      })
      const enrolling = site.orama(...owner)
      await machine.console.waitFor('STATE enrolling\n', bootMs)
      const second = await ask(site, { ...posted(good), flags: ['--interface', middlemansAddress] })
      t.equal(second.status, 409)
      t.match(second.body, { error: 'an enrollment is under way' })
      const { status, error } = await enrolling
      await middleman[Symbol.asyncDispose]()
      t.equal(status, 4, 'the answer of the node was cut off')
      t.match(error, /it may be enrolled or not[^]*Run the same command again/)
      t.same(middleman.seen, ['GET /', `POST ${completePath}`])
    },
  )

  await t.test('an enrollment whose answer was lost is finished by the same command', async t => {
    await connect(site)
    await machine.console.waitFor('STATE ready\n', bootMs)
    t.match(must(await site.orama(...owner)), 'is enrolled')
    t.match(must(await site.orama('node', 'status', '--node-ip', '10.0.0.1')), 'ready since')
  })

  await t.test("the hypervisor's power button ends it in order in its first life, too", async t => {
    await machine.monitor.powerDown()
    await machine.console.waitFor('STATE stopping\n', bootMs)
    t.match(await within(machine.exited, bootMs, 'the machine to switch itself off'), { status: 0 })
    t.equal(await fileSystemState(site, site.disk), 'clean')
  })
})

const noSntp =
  'table ip silence {\n chain in {\n  type filter hook input priority 0; udp dport 123 drop;\n }\n}\n'

// Past the redirection of somebody in between.
const middlemansAddress = '192.0.2.2'

/** What a page of keys that are not the node's looks like. */
async function ownPage(): Promise<HelloPage> {
  const { hello, code } = await newSession({ version: '0.1.0', nowMs: Date.now(), bootMs: 0 })
  return { code, expires: hello.expires, hello }
}

function altered(completion: Completion): Completion {
  const box = fromBase64url(completion.box)
  box.writeUInt8(box.readUInt8(40) ^ 1, 40)
  return { ...completion, box: toBase64url(box) }
}

/**
 * Says something and returns all that comes back until the other side closes; `more` is said every half second,
 * so that no single pause is long.
 */
function speak({ port }: Site, text: string, more = ''): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let said = ''
  const socket = connectTo({ host: port.address, port: 9999 }, () => socket.write(text))
  const drops = setInterval(() => socket.write(more), 500)
  socket.on('data', (data: Buffer) => (said += data.toString()))
  socket.on('error', () => undefined)
  socket.on('close', () => {
    clearInterval(drops)
    resolve(said)
  })
  return promise
}
