import { join } from 'node:path'
import t from 'tap'
import { parseOsRelease, readImage } from '../../../agent/boot/image.ts'

const fields = {
  ID: 'oramaos',
  IMAGE_ID: 'oramaos',
  VERSION_ID: '0.1.0',
  IMAGE_VERSION: '0000000042',
  ORAMA_BUILD: 'development',
  ORAMA_TEST: '0',
  ORAMA_BUILD_TIME: '1795248000',
}
const settings = { ntp: ['0.pool.example', '192.0.2.1'] }

function osRelease(changes: Readonly<Record<string, string | undefined>> = {}): string {
  const all: Readonly<Record<string, string | undefined>> = { ...fields, ...changes }
  const lines = Object.entries(all)
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"\n`])).join('')
}

const lines = [
  ['a plain value', 'A=b', { A: 'b' }],
  ['a quoted value', 'A="b c"', { A: 'b c' }],
  ['an equals sign in a value', 'A=b=c', { A: 'b=c' }],
  ['an empty value', 'A=', { A: '' }],
  ['comments and empty lines', '# A=b\n\nB=c\n', { B: 'c' }],
  ['lower case', 'a=b', {}],
  ['no value', 'A', {}],
  ['one quote', 'A="b', { A: '"b' }],
  ['a name of every object', '__proto__=b', {}],
] as const

for (const [what, text, found] of lines)
  t.test(`parseOsRelease() reads ${what}`, async t => t.same(Object.fromEntries(parseOsRelease(text)), found))

const root = (release: string, json = JSON.stringify(settings)) =>
  t.testdir({ etc: { 'os-release': release, orama: { 'image.json': json } } })

t.test('readImage() says what runs', async t => {
  t.same(await readImage(root(osRelease())), {
    version: '0.1.0',
    counter: 42,
    buildKind: 'development',
    test: false,
    buildTimeS: 1795248000,
    ntp: settings.ntp,
  })
  const { buildKind, test } = await readImage(root(osRelease({ ORAMA_BUILD: 'release', ORAMA_TEST: '1' })))
  t.same({ buildKind, test }, { buildKind: 'release', test: true })
})

t.test('a kind of build that nobody knows is not taken for a release', async t => {
  t.equal((await readImage(root(osRelease({ ORAMA_BUILD: 'Release' })))).buildKind, 'development')
})

for (const name of ['VERSION_ID', 'IMAGE_VERSION', 'ORAMA_BUILD', 'ORAMA_TEST', 'ORAMA_BUILD_TIME'])
  t.test(`readImage() refuses an image without ${name}`, async t =>
    t.rejects(readImage(root(osRelease({ [name]: undefined }))), {
      message: new RegExp(`it has no ${name}`),
    }),
  )

const refused: readonly (readonly [string, string, string?])[] = [
  ['a counter that is no number', osRelease({ IMAGE_VERSION: 'x' })],
  ['an empty counter', osRelease({ IMAGE_VERSION: '' })],
  ['a build time below zero', osRelease({ ORAMA_BUILD_TIME: '-1' })],
  ['a build time with a unit', osRelease({ ORAMA_BUILD_TIME: '5s' })],
  ['a version that is none', osRelease({ VERSION_ID: '<b>' })],
  ['settings that are no JSON', osRelease(), '{'],
  ['settings with an unknown key', osRelease(), '{"ntp":[],"more":1}'],
  ['too many time servers', osRelease(), JSON.stringify({ ntp: Array(9).fill('a') })],
]

for (const [why, release, json] of refused)
  t.test(`readImage() refuses ${why}`, async t => t.rejects(readImage(root(release, json)), Error))

t.test('readImage() names the file that is not there', async t => {
  const empty = t.testdir({})
  await t.rejects(readImage(empty), { code: 'ENOENT', path: join(empty, 'etc/os-release') })
})
