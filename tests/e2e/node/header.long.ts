import { randomBytes } from 'node:crypto'
import t from 'tap'
import {
  editRecord,
  inReencryption,
  ownerOf,
  putHeader,
  takeHeader,
  withNullCipher,
} from '../support/header.ts'
import { enrolledSite } from '../support/enrolled-site.ts'
import { enrollment, must, readConsole } from '../support/node.ts'
import { hashAt, partitionOf, rawDisk } from '../support/raw-disk.ts'

// header.e2e.ts changes the header below a node that waits; here it is changed before the node boots.
t.test('a LUKS2 header that was changed while the node was off', async t => {
  const { site, image, disk, boot, unlock } = await enrolledSite(t)
  const good = await takeHeader(disk)
  const data = await partitionOf(disk, 'data')

  await t.test('another owner: the real one cannot order an unlock any more', async t => {
    await putHeader(disk, editRecord(good, ownerOf(randomBytes(32))))
    await using machine = await boot('owner')
    const refused = await unlock()
    t.equal(refused.status, 3)
    t.match(refused.error, 'only the owner of this node can unlock it')
    await machine.stop()
  })

  const refused = {
    'a null cipher': withNullCipher(good),
    'a reencryption in progress': inReencryption(good),
  }
  for (const [what, header] of Object.entries(refused))
    await t.test(`${what}: refused with its reason; closed, and not formatted`, async t => {
      await putHeader(disk, header)
      const before = await hashAt(disk, data)
      await using machine = await boot(what.replaceAll(' ', '-'))
      const { text } = machine.console
      t.match(
        text(),
        /data: refused: Cannot trust LUKS2 header: (segments\.0\.encryption|no re-encryption of ours has this form)/,
      )
      t.notMatch(text(), /ENROLLMENT CODE|STATE blank/)
      for (const url of [`http://${site.port.address}:9999/`, 'http://10.0.0.1:9998/v1/agent/status'])
        await t.rejects(site.network.exec('curl', ['-s', '-m', '3', url]), /status (7|28)/, url)
      await machine.stop()
      t.equal(await hashAt(disk, data), before)
    })

  await t.test('that of another node of the same owner: it opens, but not what is behind it', async t => {
    const other = await rawDisk(site, image, { name: 'other' })
    const another = await site.boot({ disk: other, name: 'another' })
    must(await site.orama(...enrollment(site, await readConsole(another))))
    await another.stop()
    const header = await takeHeader(other)
    await putHeader(disk, header)
    const before = await hashAt(disk, data)
    await using machine = await boot('as-another')
    const refused = await unlock()
    t.equal(refused.status, 3)
    t.match(refused.error, 'the volume cannot be used')
    await machine.stop()
    t.notMatch(machine.console.text(), /STATE (?!locked)/)
    t.equal(await hashAt(disk, data), before, 'nothing was written')
  })
})
