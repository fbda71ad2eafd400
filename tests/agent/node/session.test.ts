import t, { type Test } from 'tap'
import { newMachine } from '../../../agent/node/machine.ts'
import { keepSession } from '../../../agent/node/session.ts'
import { addLogSink, log } from '../../../agent/system/log.ts'

/** A blank node that shows its session; `look` is the keeper's next look, `shown` what the console got since the last. */
async function setUp(t: Test, address?: string) {
  const machine = newMachine()
  machine.image = {
    version: '1.2.3',
    counter: 1,
    buildKind: 'development',
    test: false,
    buildTimeS: 0,
    ntp: [],
  }
  machine.address = address
  machine.state.become('blank')
  let lines: string[] = []
  t.teardown(addLogSink(line => lines.push(line)))
  let look = (): void => undefined
  let looking = true
  const keeper = await keepSession(machine, 9999, (_ms, call) => {
    look = call
    return () => (looking = false)
  })
  const shown = () => {
    const text = lines.join('\n')
    lines = []
    return text
  }
  return { machine, keeper, shown, look: () => looking && look() }
}

const later = [
  ['comes after the boot has gone on', undefined, '192.0.2.7', 'http://192.0.2.7:9999/'],
  ['changes', '192.0.2.7', '192.0.2.9', 'http://192.0.2.9:9999/'],
  ['is lost', '192.0.2.7', undefined, 'http://<no address yet>:9999/'],
] as const
for (const [what, before, after, url] of later)
  t.test(`code, claim word and address are shown again when the address ${what}`, async t => {
    const { machine, keeper, shown, look } = await setUp(t, before)
    const first = shown()
    t.match(first, `; http://${before ?? '<no address yet>'}:9999/`)
    machine.address = after
    look()
    const again = shown()
    t.match(again, `ENROLLMENT CODE: ${keeper.current().code}\nCLAIM WORD: ${keeper.current().claim}`)
    t.match(again, url)
    t.equal(again.includes('█'), after !== undefined, 'QR code')
    look()
    t.equal(shown(), '', 'once')
    keeper.end()
  })

t.test('they are shown again when 15 lines of log have pushed them off the screen, not before', async t => {
  const { keeper, shown, look } = await setUp(t, '192.0.2.7')
  for (let line = 0; line < 14; line++) log('something else')
  shown()
  look()
  t.equal(shown(), '')
  log('something else')
  look()
  t.match(shown(), /CLAIM WORD: /)
  keeper.end()
})

t.test('while a node is being enrolled, and afterwards, nothing is shown', async t => {
  const { machine, keeper, shown, look } = await setUp(t)
  machine.state.become('enrolling')
  machine.address = '192.0.2.7'
  shown()
  look()
  t.equal(shown(), '')
  machine.state.become('blank')
  shown()
  keeper.end()
  look()
  t.equal(shown(), '')
})
