import { join } from 'node:path'
import t, { type Test } from 'tap'
import { enrollS, loggedAtS, peerUnlockRatio } from '../../bench/stamps.ts'
import { openConsole } from '../../qemu/console.ts'

const deadlineMs = 1

function printed(t: Test, ...lines: readonly string[]) {
  const console = openConsole(join(t.testdir(), 'console'))
  t.teardown(() => {
    console.end('the test is over')
  })
  console.feed(Buffer.from(`${lines.join('\n')}\n`))
  return console
}

const up = '[    9.500] WireGuard: up'
const mounted = '[   11.000] unlock: secret received to data mounted: 1000 ms'
const accepted = '[   12.250] enrollment: by 0x00 into cluster 0a'
const ready = '[   40.750] services: all are ready'

t.test('a line is dated by the stamp before it', async t => {
  const console = printed(t, 'WireGuard: up', '[    1.000] so WireGuard: up', up, '[   10.000] WireGuard: up')
  t.equal(await loggedAtS(console, 'WireGuard: up', deadlineMs), 9.5)
})

t.test('only this boot counts', async t => {
  const console = printed(t, '[    3.000] WireGuard: up')
  console.nextBoot('reset')
  console.feed(Buffer.from(`${up}\n`))
  t.equal(await loggedAtS(console, 'WireGuard: up', deadlineMs), 9.5)
})

t.test('peerUnlockRatio() has both spans of one boot', async t =>
  t.equal(await peerUnlockRatio(printed(t, up, mounted), deadlineMs), 1.5),
)

t.test('enrollS() runs from the accepted POST to the last service', async t =>
  t.equal(await enrollS(printed(t, accepted, 'STATE ready', ready), deadlineMs), 28.5),
)

const incomplete = [
  ['an unlock without its end', peerUnlockRatio, [up]],
  ['an unlock without WireGuard', peerUnlockRatio, [mounted]],
  ['an enrollment without its end', enrollS, [accepted]],
  ['an enrollment that was not accepted', enrollS, [ready]],
  ['no lines', enrollS, []],
] as const
for (const [what, measure, lines] of incomplete)
  t.test(`no figure comes of ${what}`, async t =>
    t.rejects(measure(printed(t, ...lines), deadlineMs), { message: /1 ms passed before/ }),
  )
