import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { run } from '../../../agent/system/run.ts'
import { espFiles } from '../support/esp-files.ts'
import { testImage } from '../support/image.ts'
import { bootMs, enrollment, makeSite, must, operatorOf, readConsole, type Site } from '../support/node.ts'
import { hashAt, partitionOf, rawDisk } from '../support/raw-disk.ts'

const operatorFile = 'EFI/orama/node.json'

// What lies on the disk when the node first boots decides who may enroll it, if anybody.
t.test('a disk that somebody has prepared', async t => {
  const image = await testImage('ordinary')
  const site = await makeSite(t, image)
  const owner = JSON.parse(must(await site.orama('wallet', 'new', '--json'))) as { address: string }

  await t.test('a data partition with a file system of others is not formatted', async t => {
    const disk = await rawDisk(site, image, { name: 'foreign', size: 'image' })
    const data = await partitionOf(disk, 'data')
    const where = ['-E', `offset=${data.offset}`, disk.file, `${data.bytes / 1024}k`]
    await run('mke2fs', ['-q', '-F', '-t', 'ext4', ...where])
    const before = await hashAt(disk, data)
    await using machine = await site.boot({ disk, name: 'foreign' })
    await machine.console.waitFor('STATE blank\n', bootMs)
    const why = 'the data partition is not blank: it holds ext2, ext3 or ext4'
    t.match(machine.console.text(), `enrollment: refused: ${why}`)
    t.notMatch(machine.console.text(), /ENROLLMENT CODE|CLAIM WORD/)
    await refusesAll(t, site, why)
    await machine.stop()
    t.equal(await hashAt(disk, data), before, 'not a byte of it has changed')
  })

  await t.test('a damaged operator file: nobody enrolls this node', async t => {
    const disk = await rawDisk(site, image, { name: 'damaged', size: 'image' })
    const file = join(site.folder, 'node.json')
    await writeFile(file, JSON.stringify({ v: 1, owner: owner.address.slice(0, -1) }))
    await (await espFiles(disk)).put(file, operatorFile)
    const data = await partitionOf(disk, 'data')
    const before = await hashAt(disk, data)
    await using machine = await site.boot({ disk, name: 'damaged' })
    await machine.console.waitFor('STATE blank\n', bootMs)
    const why = 'the operator file EFI/orama/node.json is invalid: '
    t.match(machine.console.text(), `enrollment: refused: ${why}`)
    t.match(machine.console.text(), /is invalid: .*owner/, 'the reason names the key')
    t.notMatch(machine.console.text(), /ENROLLMENT CODE|CLAIM WORD/)
    await refusesAll(t, site, why)
    await machine.stop()
    t.equal(await hashAt(disk, data), before)
  })

  await t.test(
    'an operator file that names the owner: his grant alone enrolls, and without a claim word',
    async t => {
      const prepared = must(await site.orama('image', 'prepare', site.disk.file, '--owner', owner.address))
      t.match(prepared, owner.address)
      await using machine = await site.boot({ name: 'owned' })
      const shown = await readConsole(machine)
      const stranger = operatorOf(site.network, join(site.folder, 'stranger'))
      must(await stranger('wallet', 'new'))
      const refused = await stranger(...enrollment(site, shown))
      t.equal(refused.status, 3)
      t.match(refused.error, /owner/)
      t.notMatch(machine.console.text(), 'STATE enrolling')
      const where = ['--genesis', '--node-ip', site.port.address, '--trust-network']
      must(await site.orama('node', 'enroll', ...where))
      await machine.console.waitFor(`OWNER: ${owner.address}`, bootMs)
      await machine.console.waitFor('STATE ready\n', bootMs)
    },
  )
})

/** Page, JSON, command and completion: all of them say why not. */
async function refusesAll(t: Test, site: Site, why: string): Promise<void> {
  const root = `http://${site.port.address}:9999/`
  const asked = {
    JSON: [root],
    'the page': ['-H', 'Accept: text/html', root],
    'a completion': ['-X', 'POST', '-d', '{}', `${root}v1/agent/enroll/complete`],
  }
  for (const [what, args] of Object.entries(asked)) {
    const answer = await site.network.exec('curl', ['-s', '-m', '20', '-w', '\n%{http_code}', ...args])
    t.match(answer, why, what)
    t.match(answer, /\n503$/, what)
  }
  const command = await site.orama(
    'node',
    'enroll',
    '--genesis',
    '--node-ip',
    site.port.address,
    '--trust-network',
  )
  t.equal(command.status, 3)
  t.match(command.error, why)
}
