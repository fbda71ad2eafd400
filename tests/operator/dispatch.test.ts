import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { commands } from '../../operator/commands.ts'
import { exitCodes } from '../../operator/failure.ts'
import { createFile, privateFolder, replaceFile } from '../../operator/files.ts'
import { sendHttp } from '../../operator/http.ts'
import { runProgram } from '../../operator/program.ts'
import { configFolder, orama } from './support.ts'

const setting = { config: '/nonexistent' }

for (const [area, table] of Object.entries(commands))
  for (const [name, command] of Object.entries(table))
    t.test(`'${area} ${name} --help' shows every option, an example and the exit codes`, async t => {
      const ran = await orama(setting, area, name, '--help')
      t.equal(ran.code, 0)
      for (const option of [...Object.keys(command.options), 'json', 'config'])
        t.match(ran.out, `--${option}`)
      for (const example of command.examples) t.match(ran.out, example)
      for (const { code, help } of Object.values(exitCodes)) t.match(ran.out, `${code} ${help}`)
      t.ok(command.examples.length > 0)
    })

t.test("'orama --help' lists every command", async t => {
  const { out, code } = await orama(setting, '--help')
  t.equal(code, 0)
  for (const [area, table] of Object.entries(commands))
    for (const name of Object.keys(table)) t.match(out, `orama ${area} ${name}`)
})

t.test('the help of command offers only what a node of this version carries out', async t => {
  const { out } = await orama(setting, 'node', 'command', '--help')
  t.match(out, /: restart, stop, start, status, seccomp, reboot\n/)
})

t.test('the one command of an area need not be named', async t => {
  const named = await orama(setting, 'gateway', 'run', '--data', 'x', '--listen', '443')
  const unnamed = await orama(setting, 'gateway', '--data', 'x', '--listen', '443')
  t.equal(named.code, 2)
  t.same(unnamed, named)
  t.match((await orama(setting, 'monitor', '--env', 'x')).err, /Unknown command 'monitor --env'/)
})

const refused: readonly (readonly [string, readonly string[]])[] = [
  ['an unknown area', ['cluster', 'status']],
  ['an unknown command', ['node', 'format']],
  ['a name of Object.prototype', ['constructor', 'name']],
  ['another one', ['node', 'toString']],
  ['an unknown option', ['node', 'status', '--force']],
  ['an option without its value', ['node', 'status', '--node-ip']],
  ['a value for a switch', ['node', 'enroll', '--genesis=yes']],
  ['a word too many', ['node', 'status', 'now']],
]

for (const [why, argv] of refused)
  t.test(`a command line is refused with exit code 2: ${why}`, async t => {
    const ran = await orama(setting, ...argv)
    t.equal(ran.code, 2)
    t.equal(ran.out, '')
    t.match(ran.err, /^error: [^]*\nhint: /)
  })

t.test('with --json errors are JSON too', async t => {
  const ran = await orama(setting, 'node', 'format', '--json')
  t.match(JSON.parse(ran.err), { error: "Unknown command 'node format'", exit: 2 })
})

t.test('replaceFile() and createFile() leave one whole file of mode 0600', async t => {
  const folder = join(await configFolder(t), 'a', 'b')
  await privateFolder(folder)
  t.equal((await stat(folder)).mode & 0o777, 0o700)
  const path = join(folder, 'x')
  await createFile(path, 'one')
  await t.rejects(createFile(path, 'two'), { message: /Cannot create/ })
  t.equal(await readFile(path, 'utf8'), 'one')
  await replaceFile(path, 'three')
  t.equal(await readFile(path, 'utf8'), 'three')
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.same(await readdir(folder), ['x'])
})

t.test('a damaged node file is named', async t => {
  const config = await configFolder(t)
  await privateFolder(join(config, 'nodes'))
  await writeFile(join(config, 'nodes', 'naaaaaaaaaaaaaaaa.json'), '{"v":1}')
  const ran = await orama({ config }, 'node', 'status')
  t.equal(ran.code, 1)
  t.match(ran.err, /naaaaaaaaaaaaaaaa\.json/)
})

async function serve(
  t: { teardown: (end: () => void) => unknown },
  listener: RequestListener,
): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

// tap types what an error may have by Error; ours has more.
const failure = (fields: { exit?: string; hint?: RegExp; message?: RegExp }) => fields as unknown as Error

const limits = { method: 'GET', timeoutMs: 10_000, bytesMax: 1000 } as const

t.test('sendHttp() gives up on an answer that never ends', async t => {
  const url = await serve(t, (_, response) => {
    const more = () => {
      response.write('x'.repeat(100))
      if (!response.destroyed) setImmediate(more)
    }
    more()
  })
  await t.rejects(sendHttp({ ...limits, url }), failure({ exit: 'failed', message: /more than 1000/ }))
})

t.test('sendHttp() gives up on a server that never answers, or stops in the middle', async t => {
  const silent = await serve(t, () => undefined)
  const stuck = await serve(t, (_, response) => response.write('x'))
  for (const url of [silent, stuck])
    await t.rejects(sendHttp({ ...limits, url, timeoutMs: 50 }), failure({ exit: 'unreachable' }))
})

t.test('sendHttp() gives up on headers that are too long, and follows no redirect', async t => {
  const long = await serve(t, (_, response) => response.setHeader('x', 'y'.repeat(20_000)).end())
  await t.rejects(sendHttp({ ...limits, url: long }), failure({ exit: 'unreachable' }))
  const redirect = await serve(t, (_, response) => response.writeHead(302, { location: long }).end())
  t.equal((await sendHttp({ ...limits, url: redirect })).status, 302)
})

t.test('runProgram() names the package of a program that is missing', async t => {
  await t.rejects(
    runProgram('mcopy', [], { env: { PATH: '/nonexistent' } }),
    failure({ hint: /apt-get install mtools/ }),
  )
})

t.test('runProgram() keeps arguments whole and tells how a program failed', async t => {
  t.equal(await runProgram('printf', ['%s|', 'a b', '$HOME']), 'a b|$HOME|')
  await t.rejects(runProgram('ls', ['/nonexistent/x']), { message: /ls ended with 2: .*nonexistent/ })
})
