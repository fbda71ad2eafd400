import t from 'tap'
import { testFolder } from '../support/folder.ts'
import { testImage } from '../support/image.ts'
import { differences, unpackRoot } from '../support/tree.ts'

// What is proven with a TEST=1 image holds for the ordinary one, as long as they differ in nothing else.
t.test('a TEST=1 image has the root file system of the ordinary one, but for what tests need', async t => {
  const folder = await testFolder(t)
  const ordinary = await unpackRoot(await testImage('ordinary'), folder, 'ordinary')
  const faults = await unpackRoot(await testImage('faults'), folder, 'faults')
  t.same(await differences(ordinary, faults), [
    'etc/group',
    'etc/os-release',
    'etc/passwd',
    'usr/lib/orama/agent.snapshot',
    // Passes on a share that is cut short.
    'usr/lib/orama/services/guardian/main.js',
    'usr/lib/orama/services/probe',
  ])
})
