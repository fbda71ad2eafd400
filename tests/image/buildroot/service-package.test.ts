import t from 'tap'
import { servicePackage } from '../../../image/buildroot/service-package.ts'
import { usersTable } from '../../../image/buildroot/users.ts'
import { sampleModule } from '../sample-module.ts'

const rows: readonly (readonly [what: string, pin: object, line: string])[] = [
  ['its version, without the v', {}, 'ORAMA_P_VERSION = 1.0.0'],
  ['where its module lies', {}, 'ORAMA_P_SITE = $(ORAMAOS_GO_PROXY)/example.org/p/@v'],
  [
    'capital letters as proxies spell them',
    { module: 'example.org/BurntSushi/p' },
    'ORAMA_P_SITE = $(ORAMAOS_GO_PROXY)/example.org/!burnt!sushi/p/@v',
  ],
  ['its zip', {}, 'ORAMA_P_SOURCE = v1.0.0.zip'],
  ['the package at the root of the module', {}, 'ORAMA_P_BUILD_TARGETS = .'],
  ['a package in the module', { package: './cmd/p' }, 'ORAMA_P_BUILD_TARGETS = cmd/p'],
  ['tags', { tags: ['netgo', 'osusergo'] }, 'ORAMA_P_TAGS = netgo,osusergo'],
  ['no C', {}, 'ORAMA_P_GO_ENV = $(ORAMAOS_GO_ENV) CGO_ENABLED=0'],
  ['C, linked statically', { cgo: true }, 'ORAMA_P_EXTLDFLAGS = -static'],
  ['both licences', { license: { spdx: 'MIT OR ISC', files: ['A', 'B'] } }, 'ORAMA_P_LICENSE_FILES = A B'],
  ['the hash of its zip', {}, `sha256  ${'0'.repeat(64)}  v1.0.0.zip`],
  ['the hash of its licence', {}, `sha256  ${'0'.repeat(64)}  LICENSE`],
  ['its symbol', {}, 'config BR2_PACKAGE_ORAMA_P'],
  ['its page', { module: 'example.org/p/v8' }, '\t  https://example.org/p'],
]
for (const [what, change, line] of rows)
  t.test(`the package of a service has ${what}`, async t => {
    const files = servicePackage('p', { ...sampleModule, ...change })
    t.same(
      files.map(([path]) => path),
      ['package/orama-p/Config.in', 'package/orama-p/orama-p.mk', 'package/orama-p/orama-p.hash'],
    )
    t.ok(files.flatMap(([, text]) => text.split('\n')).includes(line), line)
  })

t.test('usersTable() has a user a service, who cannot log in', async t =>
  t.equal(usersTable([{ name: 'p', manifest: { uid: 1001 } }]), 'p 1001 p 1001 * - /nonexistent - p\n'),
)
