import t from 'tap'
import { parseOsRelease } from '../../agent/boot/image.ts'
import { artefactName, osRelease, type Release, thisRelease } from '../../image/release.ts'

process.env['ORAMA_CACHE'] = t.testdir()

const release: Release = { version: '1.2.3', counter: 42, epochS: 1_800_000_000, test: false }

const refused = [
  ['a counter of 0', { COUNTER: '0' }, /COUNTER '0'/],
  ['a negative counter', { COUNTER: '-1' }, /COUNTER '-1'/],
  ['a broken counter', { COUNTER: '1.5' }, /COUNTER '1\.5'/],
  ['a counter of 11 digits', { COUNTER: '10000000000' }, /COUNTER/],
  ['an empty counter', { COUNTER: '' }, /COUNTER ''/],
  ['a counter in words', { COUNTER: 'one' }, /COUNTER 'one'/],
  ['a negative time', { SOURCE_DATE_EPOCH: '-1' }, /SOURCE_DATE_EPOCH '-1'/],
  ['a time with a fraction', { SOURCE_DATE_EPOCH: '1.5' }, /SOURCE_DATE_EPOCH/],
  ['a date', { SOURCE_DATE_EPOCH: '2026-01-01' }, /SOURCE_DATE_EPOCH/],
  ['an empty time', { SOURCE_DATE_EPOCH: '' }, /SOURCE_DATE_EPOCH ''/],
  ['a release', { ORAMA_RELEASE: '1' }, /ORAMA_RELEASE '1': this version builds development images only/],
  ['a release in words', { ORAMA_RELEASE: 'yes', TEST: '0' }, /ORAMA_RELEASE 'yes'/],
  ['a release with fault injection', { ORAMA_RELEASE: '1', TEST: '1' }, /a release with TEST=1/],
  ['milliseconds', { SOURCE_DATE_EPOCH: '180000000000000' }, /SOURCE_DATE_EPOCH/],
] as const

for (const [why, env, message] of refused)
  t.test(`thisRelease() refuses: ${why}`, async t =>
    t.rejects(thisRelease({ SOURCE_DATE_EPOCH: '1', ...env }), { name: 'RangeError', message }),
  )

t.test('thisRelease() takes counter and time from the environment', async t => {
  const env = { SOURCE_DATE_EPOCH: '1800000000', COUNTER: '9999999999' }
  t.match(await thisRelease(env), { counter: 9_999_999_999, epochS: 1_800_000_000, test: false })
})

for (const none of ['', '0'])
  t.test(`thisRelease(): ORAMA_RELEASE='${none}' asks for no release`, async t =>
    t.match(await thisRelease({ SOURCE_DATE_EPOCH: '1', ORAMA_RELEASE: none, TEST: '1' }), { test: true }),
  )

for (const [value, test] of [
  ['1', true],
  ['0', false],
  ['', false],
  ['yes', false],
] as const)
  t.test(`thisRelease(): TEST='${value}' is ${test ? 'a' : 'no'} test build`, async t =>
    t.equal((await thisRelease({ SOURCE_DATE_EPOCH: '1', TEST: value })).test, test),
  )

t.test('osRelease() is what the agent reads', async t => {
  const fields = parseOsRelease(osRelease({ ...release, test: true }))
  const expected = { VERSION_ID: '1.2.3', ORAMA_BUILD: 'development', ORAMA_TEST: '1' }
  t.match(Object.fromEntries(fields), { ...expected, ORAMA_BUILD_TIME: '1800000000' })
})

t.test('osRelease() says that this is a development build, and whether it is a test build', async t => {
  t.match(osRelease(release), /PRETTY_NAME="OramaOS 1\.2\.3 \(development build\)"/)
  t.match(osRelease({ ...release, test: true }), /\(development build, TEST\)/)
})

t.test('osRelease(): versions sort as text in the order of their counters', async t => {
  const versions = [1, 9, 10, 99, 9_999_999_999].map(
    counter => parseOsRelease(osRelease({ ...release, counter })).get('IMAGE_VERSION') ?? '',
  )
  t.same(versions.toSorted(), versions)
  t.ok(versions.every(version => version.length === 10))
})

t.test('artefactName() keeps test images apart', async t => {
  t.equal(artefactName(release), 'oramaos-1.2.3-amd64')
  t.equal(artefactName({ ...release, test: true }), 'oramaos-1.2.3-test-amd64')
})
