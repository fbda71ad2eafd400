import { randomBytes } from 'node:crypto'
import t from 'tap'
import { toBase64url } from '../../../protocol/fields.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { sealTo } from '../../../protocol/seal.ts'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import { depositContext, signRelease, signStatement } from '../../../protocol/shares/guardian.ts'
import { startGuardian } from '../../../services/guardian/guardian.ts'
import { release } from '../../../services/guardian/releases.ts'
import { newSession } from '../../../services/guardian/sessions.ts'
import { takeStatement } from '../../../services/guardian/statements.ts'
import type { Store } from '../../../services/guardian/store-client.ts'
import { someShare } from '../../agent/guardian/store-samples.ts'
import { cluster, newNode } from '../../protocol/cluster/sample.ts'
import { newClock } from './clock.ts'

const [self, node] = [newNode(), newNode()]
const epoch = newEpochId(1)
const from = '10.0.0.2'
const wiped = Buffer.alloc(97)

/** A guardian, 20 s after its start, whose store holds one share; `changes`: and does something else besides. */
function guardianWith(changes: Partial<Store>) {
  const clock = newClock()
  const holding = { epochs: [epoch], counter: 0 }
  const { hello, nodeId } = node
  const list = { cluster, nodeId: self.nodeId, members: [{ nodeId, address: from, hello }] }
  const answer = () => Promise.resolve(holding)
  const store: Store = {
    members: () => Promise.resolve(list),
    share: () => Promise.resolve(someShare()),
    ...{ holding: answer, put: answer, keep: answer, raise: answer },
    news: () => Promise.resolve(Buffer.alloc(0)),
    ...changes,
  }
  const session = newSession({ id: randomBytes(16), keys: newKeyPair('x25519') })
  const guardian = startGuardian({
    store,
    session,
    nowMs: clock.nowMs,
    random: randomBytes,
    log: () => undefined,
  })
  clock.ms += 20_000
  return guardian
}

function asking(guardian: ReturnType<typeof guardianWith>, oneTimeKey = newKeyPair('x25519').publicKey) {
  const request = {
    ...{ cluster, node: node.nodeId, guardian: self.nodeId, epoch, bootId: 'ab'.repeat(16) },
    nonce: guardian.nonces.issue(node.nodeId),
    oneTimeKey: toBase64url(oneTimeKey),
    release: { counter: 3, floor: 2 },
  }
  return signRelease(request, { identity: node.keys.identity.privateKey })
}

t.test('a share is wiped once it was given', async t => {
  const share = someShare()
  const guardian = guardianWith({ share: () => Promise.resolve(share) })
  t.match(await release(guardian, asking(guardian), from), { right: 'no lease' })
  t.same(share, wiped)
})

t.test('a share is wiped also where it could not be sealed', async t => {
  const share = someShare()
  const guardian = guardianWith({ share: () => Promise.resolve(share) })
  await t.rejects(release(guardian, asking(guardian, Buffer.alloc(32)), from), { message: /no usable point/ })
  t.same(share, wiped)
})

t.test('a lease that comes while the store is asked still keeps the share', async t => {
  const share = someShare()
  const guardian = guardianWith({
    share: node => {
      guardian.leases.renew(node)
      return Promise.resolve(share)
    },
  })
  await t.rejects(release(guardian, asking(guardian), from), { message: 'refused: lease, retry in 60 s' })
  t.same(share, wiped)
})

t.test('no share is given where its lowest release could not be stored', async t => {
  const guardian = guardianWith({
    raise: () => Promise.reject(new Error('the disk is gone')),
    share: () => t.fail('the share was taken') as never,
  })
  await t.rejects(release(guardian, asking(guardian), from), { message: 'the disk is gone' })
})

t.test('a share that goes while it is asked for is not there', async t => {
  const guardian = guardianWith({ share: () => Promise.resolve(undefined) })
  await t.rejects(release(guardian, asking(guardian), from), { message: 'refused: no-share' })
})

for (const [how, put] of [
  ['was kept', () => Promise.resolve({ epochs: [epoch], counter: 0 })],
  ['could not be kept', () => Promise.reject(new Error('the disk is gone'))],
] as const)
  t.test(`a deposit is wiped once it ${how}`, async t => {
    const share = someShare()
    const seen: Uint8Array[] = []
    const guardian = guardianWith({
      put: (_, of) => {
        t.same(of.share, share)
        seen.push(of.share)
        return put()
      },
    })
    const { session } = guardian
    const of = { node: node.nodeId, guardian: self.nodeId, session: session.id, epoch }
    const box = sealTo(Buffer.from(session.key, 'base64url'), depositContext(of), share)
    const stated = { kind: 'deposit', cluster, number: 1, keep: [], box, ...of } as const
    const signed = signStatement(stated, node.keys.lease.privateKey)
    await takeStatement(guardian, signed, from).catch(() => undefined)
    t.same(seen, [wiped])
  })
