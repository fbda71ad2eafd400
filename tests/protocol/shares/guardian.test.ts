import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newEpochId } from '../../../protocol/shares/epoch.ts'
import {
  depositContext,
  isStatementOf,
  type ReleaseRequest,
  releaseContext,
  releaseSigner,
  signedStatementSchema,
  signRelease,
  signStatement,
  type Statement,
  statementSchema,
} from '../../../protocol/shares/guardian.ts'
import { openFrom, sealTo } from '../../../protocol/seal.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { cluster, newNode } from '../cluster/sample.ts'

const [node, other, guardian] = [newNode(), newNode(), newNode()]
const session = randomBytes(16).toString('base64url')
const epoch = newEpochId(2)
const from = { cluster, node: node.nodeId, guardian: guardian.nodeId, session, number: 1 }
const statements: readonly Statement[] = [
  { kind: 'lease', ...from },
  { kind: 'goodbye', ...from },
  { kind: 'keep', ...from, keep: [epoch] },
  { kind: 'deposit', ...from, epoch, keep: [newEpochId(1)], box: 'AAAA' },
]

for (const statement of statements)
  t.test(`a ${statement.kind} counts when the lease key signed exactly it`, async t => {
    const signed = signStatement(statement, node.keys.lease.privateKey)
    t.equal(isStatementOf(signedStatementSchema.parse(structuredClone(signed)), node.hello), true)
    const wrong = [
      isStatementOf(signed, other.hello),
      isStatementOf(signStatement(statement, node.keys.identity.privateKey), node.hello),
      ...(['node', 'guardian', 'session', 'number'] as const).map(name =>
        isStatementOf(
          { ...signed, statement: { ...statement, [name]: name === 'number' ? 2 : other.nodeId } },
          node.hello,
        ),
      ),
    ]
    t.same(
      wrong,
      wrong.map(() => false),
    )
  })

t.test('a lease is no goodbye', async t => {
  const { signature } = signStatement({ kind: 'lease', ...from }, node.keys.lease.privateKey)
  t.equal(isStatementOf({ statement: { kind: 'goodbye', ...from }, signature }, node.hello), false)
})

const unfit = [
  { kind: 'lease', ...from, number: 0 },
  { kind: 'lease', ...from, extra: 1 },
  { kind: 'keep', ...from, keep: [epoch, newEpochId(1), newEpochId(3)] },
  { kind: 'deposit', ...from, epoch, keep: [epoch, newEpochId(1)], box: 'AAAA' },
  { kind: 'deposit', ...from, epoch, keep: [], box: 'A'.repeat(400) },
  { kind: 'erase', ...from },
]

for (const value of unfit)
  t.test(`statementSchema refuses ${JSON.stringify(value).slice(0, 40)}…`, async t => {
    t.notOk(statementSchema.safeParse(value).success)
  })

const request: ReleaseRequest = {
  cluster,
  node: node.nodeId,
  guardian: guardian.nodeId,
  epoch,
  nonce: session,
  bootId: 'ab'.repeat(16),
  oneTimeKey: node.hello.enrollment,
  release: { counter: 3, floor: 2 },
}
const keys = { identity: node.keys.identity.privateKey, lease: node.keys.lease.privateKey }

t.test('releaseSigner() tells a node, its unlocked original and strangers apart', async t => {
  const asNode = signRelease(request, { identity: keys.identity })
  const asOriginal = signRelease(request, keys)
  t.equal(releaseSigner(asNode, node.hello), 'node')
  t.equal(releaseSigner(asOriginal, node.hello), 'original')
  const strangers = [
    releaseSigner(asNode, other.hello),
    releaseSigner({ ...asNode, request: { ...request, nonce: 'AAAAAAAAAAAAAAAAAAAAAA' } }, node.hello),
    releaseSigner({ ...asNode, request: { ...request, oneTimeKey: other.hello.enrollment } }, node.hello),
    releaseSigner(signRelease(request, { identity: keys.lease }), node.hello),
    releaseSigner({ ...asNode, original: asNode.signature }, node.hello),
  ]
  t.same(
    strangers,
    strangers.map(() => 'nobody'),
  )
})

t.test('a share that was sealed for one purpose opens for no other', async t => {
  const pair = newKeyPair('x25519')
  const of = { node: node.nodeId, guardian: guardian.nodeId, session, epoch, nonce: session }
  const box = sealTo(pair.publicKey, depositContext(of), randomBytes(97))
  t.equal(openFrom(pair.privateKey, depositContext(of), box).length, 97)
  const wrong = [
    releaseContext(of),
    depositContext({ ...of, node: other.nodeId }),
    depositContext({ ...of, guardian: other.nodeId }),
    depositContext({ ...of, epoch: newEpochId(2) }),
    depositContext({ ...of, session: 'AAAAAAAAAAAAAAAAAAAAAA' }),
  ]
  for (const context of wrong) t.throws(() => openFrom(pair.privateKey, context, box), { name: 'RangeError' })
})
