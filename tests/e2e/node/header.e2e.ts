import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { readNodeToken } from '../../../agent/unlock/tokens.ts'
import { fileSystemState } from '../support/file-system.ts'
import {
  editRecord,
  headerOfAnother,
  inReencryption,
  ownerOf,
  parseHeader,
  putHeader,
  takeHeader,
  withNullCipher,
} from '../support/header.ts'
import { enrolledSite } from '../support/enrolled-site.ts'
import { bootMs, must } from '../support/node.ts'

// Whoever holds the disk can write the header, also while the node waits: with each unlock it is read again.
t.test('a changed LUKS2 header', async t => {
  const { site, disk, boot, unlock } = await enrolledSite(t)
  t.equal(await fileSystemState(site, disk), 'in use', 'the first machine was switched off while it worked')
  const first = await takeHeader(disk)
  const stolen = randomBytes(32)
  const withToken = editRecord(first, { agentToken: stolen.toString('hex') })

  await putHeader(disk, withToken)
  const machine = await boot('swaps')
  const swaps: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
    'another agent token': [withToken, /was altered/],
    'another owner': [editRecord(first, ownerOf(stolen)), /was altered/],
    'the token of another volume': [editRecord(first, { luksUuid: randomUUID() }), /for another volume/],
    'the whole header of another node': [
      await headerOfAnother(first, site.folder),
      /does not open the volume/,
    ],
    'a null cipher': [withNullCipher(first), /segments\.0\.encryption/],
    'a reencryption in progress': [inReencryption(first), /no re-encryption of ours has this form/],
    'the right header, after the node has booted with another': [first, /has changed since this boot/],
  }
  for (const [what, [header, reason]] of Object.entries(swaps))
    await t.test(`${what}: the right key is refused with the reason, and nothing starts`, async t => {
      await putHeader(disk, header)
      const refused = await unlock()
      t.equal(refused.status, 3)
      t.match(refused.error, reason)
      t.ok((await takeHeader(disk)).equals(header), 'the header stays as it was found')
      t.notMatch(machine.console.text(), /STATE (?!locked)/)
    })
  await machine.stop()

  await t.test('the right header from the start: the same key opens it, nothing was formatted', async t => {
    await using machine = await boot('good')
    must(await unlock())
    await machine.console.waitFor('STATE ready\n', bootMs)
    await machine.monitor.powerDown()
    await machine.exited
    t.equal(await fileSystemState(site, disk), 'clean')
  })

  await t.test('the token of last week: the right key is refused', async t => {
    const now = await takeHeader(disk)
    t.equal(readNodeToken(parseHeader(now)).record.revision, 2)
    await putHeader(disk, first)
    await using machine = await boot('last-week')
    const refused = await unlock()
    t.equal(refused.status, 3)
    t.match(refused.error, /revision 1 is older than 2/)
    t.ok((await takeHeader(disk)).equals(first), 'the header stays as it was found')
    t.notMatch(machine.console.text(), /STATE (?!locked)/)
  })
})
