import { randomBytes } from 'node:crypto'
import t from 'tap'
import { toBase64url } from '../../../protocol/fields.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { signRelease, signStatement, type Statement } from '../../../protocol/shares/guardian.ts'
import { newNode, someNodeId } from '../../protocol/cluster/sample.ts'
import {
  addresses,
  type Answer,
  cluster,
  first,
  guardian,
  type GuardianBench,
  holding,
  refusal,
} from './cluster.ts'

// Who is not the node, or not any more, or does not mean this guardian.

const staleNonces: readonly (readonly [string, (on: GuardianBench) => Promise<string> | string])[] = [
  ['one that was not issued', () => toBase64url(randomBytes(16))],
  ['one of another node', async ({ bob }) => (await bob.session()).nonce],
  [
    'one of half a minute ago',
    async ({ alice, clock }) => {
      const { nonce } = await alice.session()
      clock.ms += 30_000
      return nonce
    },
  ],
  [
    'the oldest of five',
    async ({ alice }) => {
      const { nonce } = await alice.session()
      for (let at = 0; at < 4; at++) await alice.session()
      return nonce
    },
  ],
]

for (const [what, nonceOf] of staleNonces)
  t.test(`no share is given for a nonce that is ${what}`, async t => {
    const { bench, alice } = await holding(t)
    const answer = await alice.release(first, { nonce: await nonceOf(bench) })
    t.match(refusal(answer), { status: 403, reason: 'not-signed' })
  })

type Attempt = (on: GuardianBench) => Promise<Answer>

const strangers: readonly (readonly [string, Attempt, string])[] = [
  ["another's share, by its own name", ({ bob }) => bob.release(first), 'no-share'],
  [
    "another's share, in its name",
    ({ bob, alice }) => bob.release(first, { node: alice.nodeId }),
    'not-signed',
  ],
  [
    "another's share, with its request",
    async ({ bob, alice }) => bob.post('release', (await alice.asking(first)).signed),
    'not-signed',
  ],
  [
    'a share by the lease key alone',
    async ({ alice }) => {
      const { signed } = await alice.asking(first)
      const identity = alice.keys.lease.privateKey
      return alice.post('release', signRelease(signed.request, { identity }))
    },
    'not-signed',
  ],
  [
    'a share as an original without its lease key',
    async ({ alice }) => {
      const { signed } = await alice.asking(first)
      return alice.post('release', { ...signed, original: signed.signature })
    },
    'not-signed',
  ],
  [
    'a share for another one-time key than was signed',
    async ({ alice }) => {
      const { signed } = await alice.asking(first)
      const oneTimeKey = toBase64url(newKeyPair('x25519').publicKey)
      return alice.post('release', { ...signed, request: { ...signed.request, oneTimeKey } })
    },
    'not-signed',
  ],
  [
    'a share of another guardian',
    ({ alice }) => alice.release(first, { guardian: someNodeId(1) }),
    'not-signed',
  ],
  [
    'a share of another cluster',
    ({ alice }) => alice.release(first, { cluster: 'ff'.repeat(16) }),
    'not-a-member',
  ],
  ['a share of a stranger', ({ alice }) => alice.release(first, { node: someNodeId(1) }), 'not-a-member'],
  [
    'a lease from another address',
    async ({ alice }) => alice.post('statement', await alice.stated('lease', {}), addresses.bob),
    'not-signed',
  ],
  [
    'a lease by the identity key, as a copy of the disk has it',
    ({ alice }) => statement(alice, 'identity', {}),
    'not-signed',
  ],
  [
    'a lease for another session',
    ({ alice }) => statement(alice, 'lease', { session: 'A'.repeat(22) }),
    'session',
  ],
  [
    'a lease for another guardian',
    ({ alice }) => statement(alice, 'lease', { guardian: someNodeId(1) }),
    'not-signed',
  ],
  [
    'a lease of another cluster',
    ({ alice }) => statement(alice, 'lease', { cluster: 'ff'.repeat(16) }),
    'not-a-member',
  ],
  [
    'a lease of a stranger',
    ({ alice }) => statement(alice, 'lease', { node: someNodeId(1) }),
    'not-a-member',
  ],
  ["another's lease", ({ alice, bob }) => statement(alice, 'lease', { node: bob.nodeId }), 'not-signed'],
  [
    'a lease of the guardian itself',
    ({ ask }) =>
      ask(addresses.guardian, ['POST', '/v1/guardian/statement'], {
        statement: leaseOf(guardian.nodeId),
        signature: toBase64url(randomBytes(64)),
      }),
    'not-a-member',
  ],
  [
    'the session of another',
    ({ ask, alice, bob }) => ask(bob.address, ['GET', `/v1/guardian/session?node=${alice.nodeId}`]),
    'not-signed',
  ],
  [
    'the session of a stranger',
    ({ ask, bob }) => ask(bob.address, ['GET', `/v1/guardian/session?node=${newNode().nodeId}`]),
    'not-a-member',
  ],
]

const leaseOf = (node: string): Statement => ({
  kind: 'lease',
  cluster,
  node,
  guardian: guardian.nodeId,
  session: 'A'.repeat(22),
  number: 9,
})

async function statement(
  alice: GuardianBench['alice'],
  key: 'lease' | 'identity',
  changes: Partial<Statement>,
): Promise<Answer> {
  const { session } = await alice.session()
  const changed = { ...leaseOf(alice.nodeId), session, ...changes } as Statement
  return alice.post('statement', signStatement(changed, alice.keys[key].privateKey))
}

for (const [what, attempt, reason] of strangers)
  t.test(`refused as ${reason}, with one line in the log: ${what}`, async t => {
    const { bench, lines, alice, share } = await holding(t)
    lines.length = 0
    const answer = await attempt(bench)
    t.equal(refusal(answer).reason, reason)
    t.match(lines, [RegExp(`: refused: ${reason}$`)])
    t.equal(lines.length, 1)
    t.same((await alice.release(first)).share, share, 'and nothing has changed')
  })
