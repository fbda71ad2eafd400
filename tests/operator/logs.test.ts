import t from 'tap'
import type { World } from '../../operator/world.ts'
import { logLines } from '../../protocol/requests.ts'
import { enrolled } from './enrolled.ts'
import { answer } from './node.ts'
import { orama } from './support.ts'

t.test('logs prints lines without their escape sequences', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'GET /v1/agent/logs': response => response.end('one\ntwo \u001b]0;x\u0007\n') }
  const ran = await orama(setting, 'node', 'logs', '--service', 'rqlite', '--lines', '20')
  t.equal(ran.out, 'one\ntwo \ufffd]0;x\ufffd\n')
  t.equal(node.requests.at(-1)?.path, '/v1/agent/logs?service=rqlite&lines=20')
})

t.test('logs --follow prints until the node ends it', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = {
    'GET /v1/agent/logs': response => {
      response.write('one\n')
      response.write('two\n')
      response.end('three\n')
    },
  }
  const ran = await orama(setting, 'node', 'logs', '--follow')
  t.equal(ran.out, 'one\ntwo\nthree\n')
  t.equal(ran.code, 0)
})

t.test('logs --follow that is cut off says what that may mean', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = {
    'GET /v1/agent/logs': response => {
      response.write('one\n', () => response.destroy())
    },
  }
  const ran = await orama(setting, 'node', 'logs', '--follow')
  t.match(ran, { code: 4, err: /The stream was cut/ })
  t.match(ran.err, 'run the command again')
})

const pieces = [
  ['one line each', ['one\n', 'two\n'], ['one', 'two']],
  ['lines that come in pieces', ['on', 'e\ntw', 'o\n'], ['one', 'two']],
  ['a last line without its end', ['one\ntwo'], ['one', 'two']],
  ['an empty line', ['one\n\ntwo\n'], ['one', '', 'two']],
  ['what a terminal would act upon', ['\u001b[2J\n'], ['\ufffd[2J']],
  ['a line without end, in pieces', ['x'.repeat(70_000), 'y\n'], ['x'.repeat(70_000), 'y']],
] as const

t.test('logs --follow --json prints JSON only, an object a line', async t => {
  const { setting } = await enrolled(t)
  for (const [what, texts, lines] of pieces) {
    const follow: World['follow'] = (_, onText) => {
      for (const text of texts) onText(text)
      return Promise.resolve({ status: 200, body: '' })
    }
    const ran = await orama({ ...setting, world: { follow } }, 'node', 'logs', '--follow', '--json')
    const printed = ran.out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as unknown)
    t.same(printed, [...lines.map(line => ({ line })), { ended: true }], what)
  }
})

t.test('logs of an unknown service tells what the node said', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'GET /v1/agent/logs': answer(404, { error: 'no such service' }) }
  for (const more of [[], ['--follow']]) {
    const ran = await orama(setting, 'node', 'logs', '--service', 'x', ...more)
    t.equal(ran.code, 3)
    t.match(ran.err, /no such service/)
  }
})

t.test('logs asks for as many lines as a node gives, and refuses others before it asks', async t => {
  const { node, setting } = await enrolled(t)
  node.behaviour.answers = { 'GET /v1/agent/logs': response => response.end('one\n') }
  t.equal((await orama(setting, 'node', 'logs', '--lines', String(logLines.max))).code, 0)
  const asked = node.requests.length
  for (const lines of ['0', '1001', '100000', '-1', '1e2', '']) {
    const ran = await orama(setting, 'node', 'logs', `--lines=${lines}`)
    t.equal(ran.code, 2)
    t.match(ran.err, `Option --lines must be a number from 1 to 1000, not '${lines}'`)
  }
  t.equal(node.requests.length, asked)
})
