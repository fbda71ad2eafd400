import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import t from 'tap'
import { openServiceLog, tail } from '../../../agent/services/logs.ts'

const nowMs = () => Date.UTC(2026, 10, 21, 8)
const time = '2026-11-21T08:00:00.000Z'

t.test('each line has its time; a log that is opened again goes on at its end', async t => {
  const path = `${t.testdir()}/logs/one.log`
  for (const line of ['first', 'second']) {
    await using log = openServiceLog(path, { nowMs })
    await log.write([line])
  }
  t.equal(readFileSync(path, 'utf8'), `${time} first\n${time} second\n`)
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('a full file makes room for the next; the oldest goes', async t => {
  const folder = t.testdir()
  await using log = openServiceLog(`${folder}/one.log`, { nowMs, bytesMax: 100, files: 3 })
  for (let index = 0; index < 30; index++) await log.write([`line ${index} of many`])
  t.same(readdirSync(folder).sort(), ['one.log', 'one.log.1', 'one.log.2'])
  for (const name of readdirSync(folder)) t.ok(statSync(`${folder}/${name}`).size <= 100, name)
  t.same(
    (await log.tail(4)).map(line => line.slice(25)),
    ['line 26 of many', 'line 27 of many', 'line 28 of many', 'line 29 of many'],
  )
})

t.test('a stream becomes lines, the unfinished last one too', async t => {
  await using log = openServiceLog(`${t.testdir()}/one.log`, { nowMs })
  await log.consume(Readable.from([Buffer.from('a\nb'), Buffer.from('c\nd')]))
  t.same(
    await log.tail(9),
    ['a', 'bc', 'd'].map(line => `${time} ${line}`),
  )
})

t.test('a stream that breaks is told in the log', async t => {
  await using log = openServiceLog(`${t.testdir()}/one.log`, { nowMs })
  const broken = async function* () {
    yield await Promise.resolve(Buffer.from('a\n'))
    throw new Error('it broke')
  }
  await log.consume(broken())
  t.match((await log.tail(1))[0], /the output ended with an error: Error: it broke/)
})

t.test('a disk that cannot be written costs lines, and the loss is told', async t => {
  const folder = t.testdir()
  mkdirSync(`${folder}/one.log`)
  await using log = openServiceLog(`${folder}/one.log`, { nowMs })
  await log.write(['a', 'b'])
  rmdirSync(`${folder}/one.log`)
  await log.write(['c'])
  t.same(await log.tail(9), ['(2 lines lost: could not be written)', `${time} c`])
})

const tails = [
  ['no file', undefined, 5, []],
  ['an empty file', '', 5, []],
  ['fewer lines than asked', 'a\nb\n', 5, ['a', 'b']],
  ['exactly the lines there are', 'a\nb\n', 2, ['a', 'b']],
  ['the last ones', 'a\nb\nc\n', 2, ['b', 'c']],
  ['none', 'a\nb\n', 0, []],
  ['lines longer than a block', `${'x'.repeat(200_000)}\n${'y'.repeat(70_000)}\n`, 1, ['y'.repeat(70_000)]],
  ['characters across blocks', `${'ä'.repeat(100_000)}\nb\n`, 2, ['ä'.repeat(100_000), 'b']],
] as const
for (const [why, text, lines, wanted] of tails)
  t.test(`tail() of ${why}`, async t => {
    const path = `${t.testdir()}/one.log`
    if (text !== undefined) writeFileSync(path, text)
    t.same(await tail(path, { lines }), wanted)
  })

t.test('tail() goes on in the older files', async t => {
  const path = `${t.testdir({ 'one.log': 'd\n', 'one.log.1': 'b\nc\n', 'one.log.2': 'a\n' })}/one.log`
  t.same(await tail(path, { lines: 3 }), ['b', 'c', 'd'])
  t.same(await tail(path, { lines: 9 }), ['a', 'b', 'c', 'd'])
})

t.test('follow() gives the lines from now on and ends with its signal', async t => {
  const folder = t.testdir()
  await using log = openServiceLog(`${folder}/one.log`, { nowMs })
  await log.write(['before'])
  const stop = new AbortController()
  const following = log.follow(0, stop.signal)
  const first = following.next()
  await log.write(['a', 'b'])
  t.same(await first, { done: false, value: `${time} a` })
  t.same(await following.next(), { done: false, value: `${time} b` })
  const last = following.next()
  stop.abort()
  t.same(await last, { done: true, value: undefined })
  t.ok(existsSync(`${folder}/one.log`))
})

t.test(
  'follow() loses no line that is written while it reads the newest ones, and gives none twice',
  async t => {
    await using log = openServiceLog(`${t.testdir()}/one.log`, { nowMs })
    await log.write(['a', 'b', 'c'])
    const following = log.follow(2, new AbortController().signal)
    const first = following.next()
    // These are written while the newest lines are being read, or at once afterwards.
    const writing = ['d', 'e', 'f'].map(line => log.write([line]))
    const seen = [(await first).value]
    await Promise.all(writing)
    await log.write(['g'])
    while (!String(seen.at(-1)).endsWith(' g')) seen.push((await following.next()).value)
    t.same(
      seen.map(line => String(line).at(-1)),
      ['b', 'c', 'd', 'e', 'f', 'g'],
    )
    await following.return()
  },
)

t.test('follow() that cannot read fails, and the log goes on', async t => {
  const folder = t.testdir()
  await using log = openServiceLog(`${folder}/one.log`, { nowMs })
  mkdirSync(`${folder}/one.log`)
  await t.rejects(log.follow(9, new AbortController().signal).next(), { code: 'EISDIR' })
  rmdirSync(`${folder}/one.log`)
  await log.write(['a'])
  t.same(await log.tail(9), [`${time} a`])
})

t.test('a follower that is too slow loses the oldest lines and is told', async t => {
  await using log = openServiceLog(`${t.testdir()}/one.log`, { nowMs })
  const following = log.follow(0, new AbortController().signal)
  const first = following.next()
  await log.write(Array.from({ length: 1500 }, (_, index) => String(index)))
  const seen = [(await first).value, (await following.next()).value]
  t.ok(seen.includes('(500 lines lost: read too slowly)'), String(seen))
  await following.return()
})

t.test(
  'of a flood as much is written as fits, the rest is counted, and what comes later is written',
  async t => {
    const clock = { ms: 0 }
    const line = `${'x'.repeat(63)}\n`
    const flood = {
      bytesPerSecond: 1000,
      burstBytes: 2048,
      elapsedMs: () => clock.ms,
      sleep: () => Promise.resolve(),
    }
    await using log = openServiceLog(`${t.testdir()}/one.log`, { nowMs, flood })
    const stream = async function* () {
      for (let chunk = 0; chunk < 100; chunk++) yield await Promise.resolve(Buffer.from(line.repeat(16)))
      clock.ms += 10_000
      yield Buffer.from('later\n')
    }
    await log.consume(stream())
    const lines = (await log.tail(1000)).map(text => text.slice(time.length + 1))
    t.equal(lines.filter(text => text.startsWith('xxx')).length, 32)
    t.same(lines.slice(-2), [`(${98 * 16} lines dropped: too many at once)`, 'later'])
  },
)

t.test('a flood that ends as it was is told, and both streams share one bucket', async t => {
  const flood = { burstBytes: 100, elapsedMs: () => 0, sleep: () => Promise.resolve() }
  await using log = openServiceLog(`${t.testdir()}/one.log`, { nowMs, flood })
  await log.consume(Readable.from([Buffer.from(`${'a'.repeat(79)}\n`)]))
  await log.consume(Readable.from([Buffer.from(`${'b'.repeat(79)}\n`)]))
  t.same(
    (await log.tail(9)).map(text => text.slice(time.length + 1, time.length + 10)),
    ['aaaaaaaaa', '(1 lines '],
  )
})

t.test('who floods is read with pauses: no chunk is dropped without one', async t => {
  const pauses: number[] = []
  const sleep = (ms: number) => Promise.resolve(pauses.push(ms))
  await using log = openServiceLog(`${t.testdir()}/one.log`, {
    nowMs,
    flood: { burstBytes: 0, elapsedMs: () => 0, sleep },
  })
  await log.consume(Readable.from(Array.from({ length: 10 }, () => Buffer.alloc(65_536, 'x'))))
  t.equal(pauses.length, 10)
  t.ok(pauses.every(ms => ms > 0))
})

t.test('an endless line of binary data costs one line of 8 KiB', async t => {
  const folder = t.testdir()
  await using log = openServiceLog(`${folder}/one.log`, { nowMs })
  await log.consume(Readable.from(Array.from({ length: 12 }, () => Buffer.alloc(65_536, 0xff))))
  t.equal((await log.tail(9)).length, 1)
  t.ok(statSync(`${folder}/one.log`).size < 4 * 8192)
})
