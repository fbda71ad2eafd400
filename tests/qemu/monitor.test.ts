import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { workFolder } from '../../qemu/folder.ts'
import { listenForMonitor, parseMessage } from '../../qemu/monitor.ts'
import { startProgram } from '../../qemu/program.ts'

const deadlineMs = 20_000

t.test('the monitor of a real QEMU', async t => {
  await using folder = await workFolder()
  const path = join(folder.path, 'monitor')
  const port = await listenForMonitor(path)
  const bare = ['-machine', 'none', '-nodefaults', '-display', 'none']
  const chardev = ['-chardev', `socket,id=m,path=${path}`, '-mon', 'chardev=m,mode=control']
  await using qemu = await startProgram('qemu-system-x86_64', [...bare, ...chardev])
  const monitor = await port.accept(deadlineMs)
  const events: string[] = []
  monitor.onEvent(({ event }) => events.push(event))

  t.equal(await monitor.status(), 'running')
  await monitor.pause()
  t.equal(await monitor.status(), 'paused')
  await monitor.resume()
  t.same(events, ['STOP', 'RESUME'])
  await t.rejects(monitor.execute('make-coffee'), {
    name: 'MonitorError',
    code: 'CommandNotFound',
    message: /^Cannot make-coffee: /,
  })
  await monitor.quit()
  t.same(await qemu.exited, { status: 0, signal: null })
  await t.rejects(monitor.status(), { message: 'Cannot query-status: QEMU has closed its monitor' })
})

t.test('a command is rejected when QEMU goes away in the middle of it', async t => {
  await using folder = await workFolder()
  const path = join(folder.path, 'monitor')
  const port = await listenForMonitor(path)
  const peer = connect(path, () => peer.end())
  await t.rejects(port.accept(deadlineMs), {
    message: 'Cannot qmp_capabilities: QEMU has closed its monitor',
  })
})

t.test('accept() says when no QEMU comes', async t => {
  await using folder = await workFolder()
  const port = await listenForMonitor(join(folder.path, 'monitor'))
  await t.rejects(port.accept(1), { message: 'Waited 1 ms in vain: QEMU to open its monitor' })
  port.close()
})

const read = [
  ['a greeting', '{"QMP": {"version": {}, "capabilities": []}}', { QMP: {} }],
  ['an event', '{"event": "RESET", "data": {"guest": true}}', { event: 'RESET', data: { guest: true } }],
  ['an event without data', '{"event": "STOP"}', { event: 'STOP', data: {} }],
  ['an answer', '{"return": {}, "id": 3}', { id: 3, return: {} }],
  [
    'an error',
    '{"id": 4, "error": {"class": "X", "desc": "y"}}',
    { id: 4, error: { class: 'X', desc: 'y' } },
  ],
] as const

for (const [what, line, message] of read)
  t.test(`parseMessage() reads ${what}`, async t => t.match(parseMessage(line), message))

for (const line of [
  '',
  'x',
  '7',
  'null',
  '[]',
  '{}',
  '{"return": {}}',
  '{"id": "1", "return": {}}',
  '{"event": 7}',
])
  t.test(`parseMessage() refuses ${line}`, async t => {
    t.throws(() => parseMessage(line), { name: 'SyntaxError', message: `Cannot read a line of QMP: ${line}` })
  })
