import t from 'tap'
import { describeServices } from '../../image/sbom.ts'
import type { BuiltService } from '../../image/services.ts'
import { sampleModule } from './sample-module.ts'

const service: BuiltService = {
  name: 'one',
  uid: 1001,
  files: {},
  programs: ['/somewhere/of/this/machine/p'],
  pin: sampleModule,
  buildInfo: 'p: go1.26.1\n\tpath\texample.org/p\n\tdep\texample.org/q\tv1.2.3\th1:x=\n',
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

Service: two
Module: example.org/p
Version: v1.0.0
Sum: h1:${'A'.repeat(43)}=
License: MIT
Program: p
Build-Info:
\tp: go1.26.1
`,
  ),
)

t.test('describeServices() says nothing of the building machine', async t =>
  t.notMatch(describeServices([service]), /somewhere/),
)

t.test('describeServices() is empty for none', async t => t.equal(describeServices([]), ''))

t.test('describeServices() says of a service without a module that the runtime runs it', async t =>
  t.equal(
    describeServices([{ ...service, programs: [], pin: undefined, buildInfo: '' }]),
    'Service: one\nProgram: node\n',
  ),
)
