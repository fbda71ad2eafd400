import t from 'tap'
import { guardiansOf } from '../../../agent/node/shares.ts'
import type { Ask } from '../../../agent/shares/ask.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { toBase64url } from '../../../protocol/fields.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import type { ReleaseRequest, SignedRelease } from '../../../protocol/shares/guardian.ts'
import { judgeRelease } from '../../../services/guardian/judge.ts'
import { memberNode } from './cluster-side.ts'

const epoch = newEpochId(1)
const image = {
  ...({ version: '0.1.0', buildKind: 'development', test: false, buildTimeS: 0, ntp: [] } as const),
}

/** What a locked node of this release says when it asks for its share. */
async function askedBy(counter: number): Promise<ReleaseRequest['release']> {
  let said: ReleaseRequest['release'] | undefined
  const ask = (async (guardian: string, { path, body }: { path: string; body?: SignedRelease }) => {
    if (body !== undefined) {
      said = body.request.release
      throw new Error('no share here')
    }
    const { publicKey } = newKeyPair('x25519')
    const [session, nonce] = ['A'.repeat(22), 'A'.repeat(22)]
    return Promise.resolve({
      guardian,
      session,
      key: toBase64url(publicKey),
      number: 0,
      nonce,
      holds: [],
      path,
    })
  }) as Ask
  const { node, nodes } = memberNode(2)
  Object.assign(node, { ask })
  Object.assign(node.machine, { dataOpen: false, image: { ...image, counter } })
  const asking = guardiansOf(node).release(nodes[1]?.nodeId ?? '', epoch, new AbortController().signal)
  await asking.catch(() => undefined)
  if (said === undefined) throw new Error('nothing was asked')
  return said
}

t.test('a node whose update failed gets its share in the slot before', async t => {
  const updated = await askedBy(7)
  t.equal(updated.counter, 7)
  // A guardian keeps the highest floor that it ever heard.
  const holding = { epochs: [epoch], counter: updated.floor }
  const back = { asked: { epoch, release: await askedBy(6) }, holding }
  const known = { signer: 'node', fresh: true, held: false, leaseLeftMs: 0, upMs: 60_000 } as const
  t.equal(judgeRelease({ ...back, ...known }), undefined)
})
