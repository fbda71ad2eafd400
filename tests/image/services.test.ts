import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { chooseServices, chosenNames } from '../../image/services.ts'
import { sampleModule } from './sample-module.ts'

const known = ['coredns', 'kubo', 'rqlite']

const lists = [
  ['all without a list', undefined, known],
  ['one', 'kubo', ['kubo']],
  ['several, in one order', 'rqlite,coredns', ['coredns', 'rqlite']],
  ['each once', 'kubo,kubo', ['kubo']],
  ['them with spaces and a comma too many', ' rqlite , kubo, ', ['kubo', 'rqlite']],
] as const
for (const [what, list, expected] of lists)
  t.test(`chosenNames() takes ${what}`, async t => t.same(chosenNames(list, known), expected))

const refused = [
  ['an empty list', '', /SERVICES '': it names none; there are coredns, kubo, rqlite/],
  ['commas', ' , ', /it names none/],
  ['an unknown name', 'rqlite,ipfs', /there is no 'ipfs'; there are coredns, kubo, rqlite/],
  ['a name in capitals', 'Kubo', /no 'Kubo'/],
  ['a path', '../services/kubo', /there is no/],
  ['spaces for commas', 'rqlite kubo', /no 'rqlite kubo'/],
] as const
for (const [why, list, message] of refused)
  t.test(`chosenNames() refuses ${why}`, async t =>
    t.throws(() => chosenNames(list, known), { name: 'RangeError', message }),
  )

const real = join(import.meta.dirname, '../../services')

t.test("the project's own services can be in one image, each with what it requires too", async t => {
  const all = await chooseServices(undefined)
  t.match(
    all.map(s => s.name),
    ['coredns', 'gateway', 'guardian', 'kubo', 'olric', 'rqlite'],
  )
  for (const { name, manifest } of all) {
    const chosen = await chooseServices([name, ...manifest.requires].join(','))
    t.ok(chosen.some(one => one.name === name))
  }
})

t.test('the hostile probe is in test images only, by its name or without a list', async t => {
  const all = await chooseServices(undefined, real, true)
  t.same(
    all.filter(s => s.pin === undefined).map(s => s.name),
    ['gateway', 'guardian', 'probe'],
  )
  const names = (await chooseServices('probe,coredns', real, true)).map(s => s.name)
  t.same(names, ['coredns', 'guardian', 'probe'])
  t.notOk((await chooseServices(undefined, real)).some(s => s.name === 'probe'))
  await t.rejects(chooseServices('probe', real), { message: /there is no 'probe'/ })
})

t.test('a program of ours is one file; the guardian is in every image', async t => {
  const guardian = (await chooseServices('coredns')).find(s => s.name === 'guardian')
  t.same(Object.keys(guardian?.files ?? {}), ['service.json', 'main.js'])
  t.match(guardian?.files['main.js'], /guardian/)
  t.notMatch(guardian?.files['main.js'], /^import /m)
})

t.test('a service that is run by node needs a module all the same', async t => {
  const node = { manifest: { command: ['/usr/bin/node', 'x.js'] } }
  await t.rejects(chooseServices(undefined, t.testdir(twoServices(node)), true), {
    message: /b\/service\.json': command\.0/,
  })
})

t.test('the image is given what the agent reads, not what the program is built from', async t => {
  const [coredns] = await chooseServices('coredns')
  t.same(Object.keys(coredns?.files ?? {}), ['Corefile', 'node.zone', 'service.json'])
})

const manifest = {
  command: ['/usr/bin/p'],
  uid: 1001,
  ports: [{ port: 1, protocol: 'tcp', on: 'loopback' }],
  requires: [],
  readiness: { tcp: { port: 1, send: '00' } },
  stop: { signal: 'TERM', graceS: 1 },
  limits: { memoryMib: 64, cpus: 1, pids: 16, files: 64 },
  syscalls: [],
  egress: [],
  capabilities: [],
}

type Change = { readonly manifest?: object; readonly pin?: object }

/** Folders a and b of services that fit together, but for the changes of b. */
function twoServices({ manifest: more = {}, pin: pinned = {} }: Change) {
  const b = {
    ...manifest,
    name: 'b',
    uid: 1002,
    command: ['/usr/bin/q'],
    ports: [{ port: 2, protocol: 'tcp', on: 'loopback' }],
    readiness: { tcp: { port: 2, send: '00' } },
    ...more,
  }
  return {
    a: {
      'service.json': JSON.stringify({ ...manifest, name: 'a' }),
      'module.json': JSON.stringify(sampleModule),
    },
    b: {
      'service.json': JSON.stringify(b),
      'module.json': JSON.stringify({ ...sampleModule, program: 'q', ...pinned }),
    },
  }
}

t.test('chooseServices() takes two that fit together', async t =>
  t.equal((await chooseServices('b,a', t.testdir(twoServices({})))).length, 2),
)

const wrong: readonly (readonly [string, Change, RegExp, RegExp])[] = [
  [
    'a port twice',
    { manifest: { ports: manifest.ports, readiness: manifest.readiness } },
    /a\/service\.json, .*b\/service\.json/,
    /port 1\/tcp is given twice, by 'a' and 'b'/,
  ],
  ['a UID twice', { manifest: { uid: 1001 } }, /a\/service\.json, .*b\/service\.json/, /UID 1001/],
  ['a service that is not chosen', { manifest: { requires: ['c'] } }, /b\/service\.json/, /it requires 'c'/],
  ['a circle', { manifest: { requires: ['b'] } }, /b\/service\.json/, /b → b/],
  ['another name than the folder', { manifest: { name: 'c' } }, /b\/service\.json': name: it is 'c'/, /^$/],
  ['an unknown key', { manifest: { privileged: true } }, /b\/service\.json': privileged/, /^$/],
  [
    'another program than the module has',
    { manifest: { command: ['/usr/bin/ip'] } },
    /b\/service\.json': command\.0/,
    /^$/,
  ],
  ['an unknown key of the module', { pin: { branch: 'main' } }, /b\/module\.json': branch/, /^$/],
  [
    'one program twice',
    { manifest: { command: ['/usr/bin/p'] }, pin: { program: 'p' } },
    /'a' and 'b'.*both are p/,
    /^$/,
  ],
]
for (const [why, change, message, cause] of wrong)
  t.test(`chooseServices() refuses, naming the files: ${why}`, async t => {
    const error = await chooseServices(undefined, t.testdir(twoServices(change))).then(
      () => new Error('nothing refused'),
      (e: unknown) => e as Error,
    )
    t.match(error.message, message)
    t.match(error.cause instanceof Error ? error.cause.message : '', cause)
  })

t.test('a list without what one of it requires is refused', async t => {
  const folder = t.testdir(twoServices({ manifest: { requires: ['a'] } }))
  t.equal((await chooseServices('a', folder)).length, 1)
  await t.rejects(chooseServices('b', folder), { cause: { message: /it requires 'a'/ } })
})

t.test('a folder without service.json is no service', async t => {
  const folder = t.testdir({ notes: { 'README.md': '' } })
  await cp(join(real, 'rqlite'), join(folder, 'rqlite'), { recursive: true })
  t.same(
    (await chooseServices(undefined, folder)).map(s => s.name),
    ['rqlite'],
  )
})
