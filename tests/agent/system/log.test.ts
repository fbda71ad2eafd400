import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openConsoles } from '../../../agent/system/console.ts'
import { faultPoint } from '../../../agent/system/faults.ts'
import {
  addLogSink,
  announce,
  describe,
  keep,
  log,
  recentLines,
  tolerate,
} from '../../../agent/system/log.ts'

/** What a sink saw while `act` ran. */
function seen(act: () => void): string[] {
  const lines: string[] = []
  const remove = addLogSink(line => lines.push(line))
  act()
  remove()
  return lines
}

t.test('log() stamps every line, shows it and keeps it', async t => {
  const lines = seen(() => {
    log('one\ntwo')
  })
  t.equal(lines.length, 2)
  t.match(lines[0], /^\[ *\d+\.\d{3}\] one$/)
  t.match(lines[1], /^\[ *\d+\.\d{3}\] two$/)
  t.same(recentLines(2), lines)
})

t.test('announce() shows and does not keep, keep() keeps and does not show', async t => {
  const lines = seen(() => {
    announce('CLAIM WORD: ABC123')
    keep('state ready')
  })
  t.same(lines, ['CLAIM WORD: ABC123'])
  t.match(recentLines(1)[0], /\] state ready$/)
  t.notMatch(recentLines(1000).join('\n'), 'ABC123')
})

const forgeries = [
  ['a carriage return', 'x\rCLAIM WORD: 000000', 'x?CLAIM WORD: 000000'],
  ['an escape sequence', 'x\x1b[2JSTATE ready', 'x?[2JSTATE ready'],
  ['a control sequence of 8 bits', 'x\x9b2J', 'x?2J'],
  ['a NUL and a DEL', '\0\x7f', '??'],
  ['a tab', 'a\tb', 'a b'],
  ['letters of all kinds', 'é → ▀', 'é → ▀'],
] as const

for (const [why, text, shown] of forgeries)
  t.test(`a stranger's text forges no line: ${why}`, async t => {
    const [logged] = seen(() => {
      log(text)
    })
    t.ok(logged?.endsWith(`] ${shown}`))
    t.same(
      seen(() => {
        announce(text)
      }),
      [shown],
    )
    keep(text)
    t.ok(recentLines(1)[0]?.endsWith(`] ${shown}`))
  })

t.test('a new line forges nothing either, for it has its own stamp', async t => {
  for (const write of [log, keep]) {
    write('x\nSTATE ready')
    for (const line of recentLines(2)) t.match(line, /^\[ *\d+\.\d{3}\] /)
  }
})

t.test('a line is cut at 4,096 characters', async t => {
  log('x'.repeat(10_000))
  t.ok((recentLines(1)[0] ?? '').length < 4200)
})

t.test('the last 1,000 lines are kept, by whichever way they came', async t => {
  for (let at = 0; at < 1500; at++) log(`line ${at}`)
  t.equal(recentLines(5000).length, 1000)
  t.match(recentLines(1)[0], /line 1499$/)
  t.match(recentLines(1000)[0], /line 500$/)
  for (let at = 0; at < 1500; at++) keep('kept')
  t.equal(recentLines(5000).length, 1000)
  log(Array.from({ length: 3000 }, (_, at) => `part ${at}`).join('\n'))
  t.equal(recentLines(5000).length, 1000)
})

const circular: { self?: unknown } = {}
circular.self = circular
let deep = new Error('0')
for (let at = 1; at < 20; at++) deep = new Error(String(at), { cause: deep })
const errors: readonly (readonly [string, unknown, RegExp])[] = [
  ['an error', new Error('bad'), /^bad$/],
  ['its causes', new Error('a', { cause: new Error('b', { cause: new Error('c') }) }), /^a: b: c$/],
  ['a cause that is no error', new Error('a', { cause: 'text' }), /^a: 'text'$/],
  ['an error without message', new AggregateError([new Error('x')]), /^AggregateError$/],
  ['no more than 8 causes', deep, /^19: 18: 17: 16: 15: 14: 13: 12$/],
  ['null', null, /^null$/],
  ['undefined', undefined, /^$/],
  ['a bigint', 5n, /^5n$/],
  ['a symbol', Symbol('s'), /^Symbol\(s\)$/],
  ['what contains itself', circular, /Circular/],
]

for (const [what, error, text] of errors)
  t.test(`describe() tells ${what}`, async t => {
    t.match(describe(error), text)
  })

t.test('tolerate() writes down what failed', async t => {
  await Promise.reject(new Error('no answer')).catch(tolerate('clock'))
  t.match(recentLines(1)[0], /clock: failed, going on: no answer$/)
})

t.test('consoles get every line; one that is missing or fails stops nothing', async t => {
  const folder = t.testdir({ a: '', b: '' })
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  const write = openConsoles([a, join(folder, 'missing'), '/dev/full', b])
  write('one')
  write('two')
  t.equal(readFileSync(a, 'utf8'), 'one\r\ntwo\r\n')
  t.equal(readFileSync(b, 'utf8'), 'one\r\ntwo\r\n')
})

t.test('a console that failed is closed and given up', async t => {
  const next = openSync('/dev/null', 'r')
  closeSync(next)
  const write = openConsoles(['/dev/full'])
  write('one')
  const freed = openSync('/dev/null', 'r')
  t.equal(freed, next)
  t.doesNotThrow(() => {
    write('two')
  })
  closeSync(freed)
})

t.test('no fault can be injected outside of test images', async t => {
  await t.resolves(faultPoint('mounts'))
})
