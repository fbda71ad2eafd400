import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../../agent/system/run.ts'
import { readHeader } from '../../../agent/unlock/header-file.ts'
import { readSharesToken, sharesBytesMax, sharesToken } from '../../../agent/unlock/tokens.ts'
import { type LuksToken, tryOpen, writeToken } from '../../../agent/unlock/volume.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'
import { formattedFile } from '../unlock/luks-samples.ts'
import { bench, someShare } from './store-samples.ts'

const original = await formattedFile(t.testdir())

/** A copy of a volume that the real cryptsetup has formatted, and a store in its header. */
async function volume(t: { testdir(): string }) {
  const device = join(t.testdir(), 'data.img')
  await copyFile(original.device, device)
  const header = async () => (await readHeader(device, `${device}.header`)).header
  const write = (token: LuksToken) => writeToken(run, device, token)
  const open = async () => {
    const found = await header()
    return bench({ read: () => readSharesToken(found), write: box => write(sharesToken(box)) })
  }
  return { device, header, write, open }
}

t.test('shares outlive a restart in the header of the real cryptsetup', async t => {
  const { device, open, header } = await volume(t)
  t.equal(readSharesToken(await header()), undefined)
  const [node, epochs] = [someNodeId(1), [newEpochId(1), newEpochId(2)]]
  const on = await open()
  t.same([on.store.fault(), on.store.holdings()], [undefined, {}])
  const shares = new Map<string, Buffer>()
  for (const epoch of epochs) {
    const share = someShare()
    shares.set(epoch.id, share)
    const put = on.store.put(node, { epoch, share, keep: epochs })
    await on.elapse()
    await put
  }
  const again = await open()
  t.same(again.store.holding(node).epochs, epochs)
  for (const epoch of epochs) t.same(again.store.share(node, epoch), shares.get(epoch.id))
  await tryOpen(run, { device, headerFile: `${device}.header`, secret: original.secret })
})

t.test('the largest token there may be is written and read', async t => {
  const { write, header } = await volume(t)
  const box = Buffer.alloc(sharesBytesMax + 28, 0xa5)
  await write(sharesToken(box))
  t.same(readSharesToken(await header()), box)
})

const good = { v: 1, box: 'AAAA' }
const refused = [
  ['another version', { ...good, v: 2 }, /v: /],
  ['no box', { v: 1 }, /box: /],
  ['an empty box', { ...good, box: '' }, /box: not base64url/],
  ['a box in standard base64', { ...good, box: 'AA+/' }, /box: not base64url/],
  ['a box in a second spelling', { ...good, box: 'AB' }, /box: not base64url in its one spelling/],
  ['a box too long', { ...good, box: 'A'.repeat(174_804) }, /box: /],
  ['a field too many', { ...good, more: 1 }, /Unrecognized key/],
] as const

for (const [why, body, message] of refused)
  t.test(`readSharesToken() refuses: ${why}`, async t => {
    const { write, header } = await volume(t)
    await write({ type: 'orama-shares', keyslots: [], ...body })
    const found = await header()
    t.throws(() => readSharesToken(found), { name: 'SyntaxError', message })
    t.throws(() => readSharesToken(found), { message: /Cannot read orama-shares/ })
  })
