import t from 'tap'
import { describeLicenses, describePackages, describeServices } from '../../image/sbom.ts'
import type { BuiltService } from '../../image/services.ts'
import { sampleModule } from './sample-module.ts'

const service: BuiltService = {
  name: 'one',
  uid: 1001,
  files: {},
  programs: ['/somewhere/of/this/machine/p'],
  pin: sampleModule,
  buildInfo: 'p: go1.26.1\n\tpath\texample.org/p\n\tdep\texample.org/q\tv1.2.3\th1:x=\n',
  licenses: [{ module: 'example.org/q', version: 'v1.2.3', spdx: 'MIT', texts: { LICENSE: 'free\r\n' } }],
}

t.test('describeServices() has a paragraph a service, with what its program is made of', async t =>
  t.equal(
    describeServices([service, { ...service, name: 'two', buildInfo: 'p: go1.26.1\n' }]),
    `Service: one
Module: example.org/p
Version: v1.0.0
Sum: h1:${'A'.repeat(43)}=
License: MIT
Program: p
Build-Info:
\tp: go1.26.1
\t\tpath\texample.org/p
\t\tdep\texample.org/q\tv1.2.3\th1:x=
Licenses:
\texample.org/q v1.2.3 MIT

Service: two
Module: example.org/p
Version: v1.0.0
Sum: h1:${'A'.repeat(43)}=
License: MIT
Program: p
Build-Info:
\tp: go1.26.1
Licenses:
\texample.org/q v1.2.3 MIT
`,
  ),
)

t.test('describeServices() says nothing of the building machine', async t =>
  t.notMatch(describeServices([service]), /somewhere/),
)

t.test('describeServices() is empty for none', async t => t.equal(describeServices([]), ''))

t.test('describeServices() says of a service without a module that the runtime runs it', async t =>
  t.equal(
    describeServices([{ ...service, programs: [], pin: undefined, buildInfo: '', licenses: [] }]),
    'Service: one\nProgram: node\n',
  ),
)

t.test('describeLicenses() has each text once, below all who have it', async t => {
  const other = { module: 'example.org/a', version: 'v1.0.0', spdx: 'MIT', texts: { COPYING: 'free\n' } }
  t.equal(
    describeLicenses([service, { ...service, name: 'two', licenses: [other, ...service.licenses] }]),
    'example.org/a v1.0.0 COPYING\nexample.org/q v1.2.3 LICENSE\n\nfree\n',
  )
})

const debian = (name: string) => ({
  name,
  version: '1:2-3',
  sha256: 'ab'.repeat(32),
  file: '/somewhere/x.deb',
})
const row = (name: string) => `${name} 1:2-3 ${'ab'.repeat(32)}\n`

t.test('describePackages() has also what the image is built from, at its end', async t => {
  const [taken, built] = [
    ['crun', 'libc6'],
    ['golang-1.26-go', 'linux-source-6.12'],
  ]
  const from = { taken: taken.map(debian), built: built.map(debian) }
  t.equal(describePackages(from), [...taken, ...built].map(row).join(''))
})
