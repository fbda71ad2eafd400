import t from 'tap'
import { fromBase64url } from '../../../protocol/fields.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { sealTo } from '../../../protocol/seal.ts'
import { depositContext } from '../../../protocol/shares/guardian.ts'
import { someShare } from '../../agent/guardian/store-samples.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'
import {
  addresses,
  first,
  guardian,
  type GuardianBench,
  guardianBench,
  holding,
  second,
  third,
} from './cluster.ts'

// What comes from the right node, but is not what it should be.

const epochContext = (alice: GuardianBench['alice'], session: string, epoch = second) =>
  depositContext({ node: alice.nodeId, guardian: guardian.nodeId, session, epoch })

const badBoxes: readonly (readonly [string, (on: GuardianBench) => Promise<string>])[] = [
  ['is none', () => Promise.resolve('AAAA')],
  ['is sealed to another key', on => boxOf(on, { key: newKeyPair('x25519').publicKey })],
  [
    'is for another epoch',
    async on => boxOf(on, { context: epochContext(on.alice, (await on.alice.session()).session, third) }),
  ],
  ['is for another session', on => boxOf(on, { context: epochContext(on.alice, 'A'.repeat(22)) })],
  ['holds 96 bytes', on => boxOf(on, { content: Buffer.alloc(96, 1) })],
  ['holds 98 bytes', on => boxOf(on, { content: Buffer.alloc(98, 1) })],
  ['holds a share with x = 0', on => boxOf(on, { content: Buffer.alloc(97) })],
]

type Box = { readonly key?: Uint8Array; readonly context?: string; readonly content?: Uint8Array }

async function boxOf({ alice }: GuardianBench, of: Box): Promise<string> {
  const at = await alice.session()
  const { key = fromBase64url(at.key), context = epochContext(alice, at.session), content = someShare() } = of
  return sealTo(key, context, content)
}

for (const [why, box] of badBoxes)
  t.test(`a deposit is refused with 400 where its box ${why}`, async t => {
    const { bench, alice, lines } = await holding(t)
    const answer = await alice.state('deposit', { epoch: second, keep: [], box: await box(bench) })
    t.match(answer, { status: 400, body: { error: 'the box does not hold a share' } })
    t.same((await alice.session()).holds, [first])
    t.match(lines.at(-1), /^deposit of epoch 2-.*: the box does not hold a share$/)
  })

const malformed: readonly (readonly [string, string, string, unknown, number])[] = [
  ['a session without a node', 'GET', '/v1/guardian/session', undefined, 400],
  ['a session of a path', 'GET', '/v1/guardian/session?node=../x', undefined, 400],
  ['a session with more', 'GET', `/v1/guardian/session?node=${someNodeId(1)}&x=`, undefined, 400],
  ['a statement that is no JSON', 'POST', '/v1/guardian/statement', '{', 400],
  [
    'a statement without a signature',
    'POST',
    '/v1/guardian/statement',
    { statement: { kind: 'lease' } },
    400,
  ],
  ['a statement too long', 'POST', '/v1/guardian/statement', ' '.repeat(4097), 413],
  ['a request that is no JSON', 'POST', '/v1/guardian/release', 'x', 400],
  [
    'a request with a field more',
    'POST',
    '/v1/guardian/release',
    { request: {}, signature: '', more: 1 },
    400,
  ],
  ['a request by GET', 'GET', '/v1/guardian/release', undefined, 405],
]

for (const [what, method, path, body, status] of malformed)
  t.test(`${what} is refused with ${status}`, async t => {
    const { ask, lines } = await guardianBench(t)
    t.match(await ask(addresses.alice, [method, path], body), { status, body: { error: /./, hint: /./ } })
    t.same(lines, [])
  })
