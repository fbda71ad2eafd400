import t from 'tap'
import { commandSchema, errorSchema } from '../../protocol/requests.ts'
import { statusSchema } from '../../protocol/status.ts'
import { unlockOfferSchema, unlockRequestSchema } from '../../protocol/unlock.ts'
import { vectors } from './sample.ts'

const service = { state: 'ready', since: '2026-11-21T08:00:00Z', restarts: 0 }
const status = {
  version: '0.1.0',
  buildKind: 'development',
  test: false,
  slot: 'A',
  state: 'ready',
  since: '2026-11-21T08:00:00Z',
  identity: 'unsealed',
  secureBoot: true,
  watchdog: 'i6300esb',
  uptimeS: 12.5,
  rootProcesses: [],
  services: { rqlite: service },
}

t.test('statusSchema reads a status, and drops what a newer node adds', async t => {
  t.same(statusSchema.parse({ ...status, news: 1 }), status)
})

const measured = {
  ...service,
  lastProbe: { at: '2026-11-21T08:00:00Z', good: true },
  seccomp: 'audit',
  denied: { mount: 1000, other: 2 },
  memoryBytes: 4096,
  cpuS: 1.5,
}

t.test('statusSchema reads what a service was denied and what it uses', async t => {
  const full = { ...status, lastOrder: 3, audit: 'on', deniedLost: 7, services: { rqlite: measured } }
  t.same(statusSchema.parse(full), full)
})

const many = Object.fromEntries(Array.from({ length: 66 }, (_, index) => [`call${index}`, 1]))
const withService = (change: object) => ({ ...status, services: { rqlite: { ...measured, ...change } } })

const refused: readonly (readonly [string, object])[] = [
  ['an unknown state', { ...status, state: 'happy' }],
  ['slot C', { ...status, slot: 'C' }],
  ['a negative uptime', { ...status, uptimeS: -1 }],
  ['no word on root processes', { ...status, rootProcesses: undefined }],
  ['a waiting line of 2 KiB', { ...status, waitingFor: 'x'.repeat(2048) }],
  ['a service name with a slash', { ...status, services: { '../x': service } }],
  ['a name of a call with a blank', withService({ denied: { 'a b': 1 } })],
  ['a negative count of denied calls', withService({ denied: { mount: -1 } })],
  ['66 names of denied calls', withService({ denied: many })],
  ['a mode that is none', withService({ seccomp: 'off' })],
  ['a probe without its time', withService({ lastProbe: { good: true } })],
  ['time that runs backwards', withService({ cpuS: -1 })],
  ['audit in no state', { ...status, audit: 'maybe' }],
  ['a service in no state', { ...status, services: { rqlite: { ...service, state: 'x' } } }],
]

for (const [why, value] of refused)
  t.test(`statusSchema refuses: ${why}`, async t => t.notOk(statusSchema.safeParse(value).success))

const offer = {
  nodeId: vectors.nodeId,
  escrow: vectors.escrow.escrow,
  oneTimeKey: vectors.hello.enrollment,
  nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
  number: 0,
  signature: 'A'.repeat(86),
}

t.test('unlockOfferSchema takes an offer and no shortened nonce', async t => {
  t.ok(unlockOfferSchema.safeParse(offer).success)
  t.notOk(unlockOfferSchema.safeParse({ ...offer, nonce: 'AAAA' }).success)
  t.notOk(unlockOfferSchema.safeParse({ ...offer, signature: undefined }).success)
})

t.test('an unlock request takes the longest box of a 32-byte secret and no novel', async t => {
  const order = { text: 'x', signature: `0x${'a'.repeat(130)}` }
  t.ok(unlockRequestSchema.safeParse({ order, box: vectors.oneTime.box }).success)
  t.notOk(unlockRequestSchema.safeParse({ order, box: 'A'.repeat(1024) }).success)
})

t.test('commandSchema takes the known actions only', async t => {
  t.ok(commandSchema.safeParse({ action: 'restart', service: 'rqlite' }).success)
  for (const value of [
    { action: 'format' },
    { action: 'restart', service: '../x' },
    { action: 'stop', now: true },
  ])
    t.notOk(commandSchema.safeParse(value).success)
})

t.test('commandSchema takes the two modes of seccomp, and an order', async t => {
  const command = { action: 'seccomp', service: 'rqlite' }
  const order = { text: 'x', signature: `0x${'a'.repeat(130)}` }
  for (const mode of ['audit', 'enforce'])
    t.ok(commandSchema.safeParse({ ...command, mode, order }).success, mode)
  for (const change of [{ mode: 'off' }, { mode: '' }, { order: 'yes' }, { order: { text: 'x' } }])
    t.notOk(commandSchema.safeParse({ ...command, ...change }).success, JSON.stringify(change))
})

t.test('errorSchema refuses an error of 5,000 characters', async t => {
  t.notOk(errorSchema.safeParse({ error: 'x'.repeat(5000) }).success)
})
