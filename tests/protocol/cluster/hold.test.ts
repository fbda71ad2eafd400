import t from 'tap'
import {
  checkHold,
  composeHold,
  type Hold,
  outdoes,
  parseHold,
  readHold,
} from '../../../protocol/cluster/hold.ts'
import {
  emptyMembership,
  isHeld,
  merge,
  noMembers,
  recordsOf,
  restore,
} from '../../../protocol/cluster/membership.ts'
import { composeAppointment, type Operator } from '../../../protocol/cluster/trust.ts'
import {
  authority,
  cluster,
  genesisRecord,
  newNode,
  newWallet,
  signedBy,
  type TestWallet,
  trust,
} from './sample.ts'

const node = newNode()
const issued = '2026-11-27T08:00:00Z'
const atMs = Date.parse(issued)
const base: Hold = { cluster, node: node.nodeId, action: 'hold', number: atMs, issued }
const operator = newWallet()
const stranger = newWallet()

const hold = (changes: Partial<Hold> = {}, by: TestWallet = authority) =>
  signedBy(by, composeHold({ ...base, ...changes }))

t.test('parseHold() reads what composeHold() wrote', async t => {
  const { text } = hold()
  t.same(parseHold(text), base)
  t.equal(
    text,
    `OramaOS hold v1\ncluster: ${cluster}\nnode: ${node.nodeId}\naction: hold\nnumber: ${atMs}\nissued: ${issued}`,
  )
})

const { text } = hold()
const unread = [
  ['another first line', text.replace('hold v1', 'hold v2')],
  ['another action', text.replace('action: hold', 'action: keep')],
  ['a number in another spelling', text.replace('number: ', 'number: 0')],
  ['a number with a fraction', text.replace(`number: ${atMs}`, `number: ${atMs}.5`)],
  ['number 0', text.replace(`number: ${atMs}`, 'number: 0')],
  ['a number ahead of its time', text.replace(`number: ${atMs}`, `number: ${atMs + 60_001}`)],
  ['a line more', `${text}\nforce: yes`],
  ['a line feed at its end', `${text}\n`],
  ['the id of no node', text.replace(node.nodeId, '../x')],
  ['1 KiB', text + ' '.repeat(1024)],
] as const
for (const [why, wrong] of unread)
  t.test(`parseHold() refuses ${why}`, async t => t.throws(() => parseHold(wrong), { name: 'SyntaxError' }))

const refused = [
  ['a stranger', hold({}, stranger), /no operator/],
  ['another cluster', hold({ cluster: '0b'.repeat(16) }), /another cluster/],
  ['a text that was altered', { ...hold(), text: hold({ number: atMs - 1 }).text }, /no operator/],
] as const
for (const [whose, signed, why] of refused)
  t.test(`checkHold() refuses that of ${whose}`, async t =>
    t.throws(() => checkHold(signed, trust), { name: 'RangeError', message: why }),
  )

t.test('of two with one number the hold counts, whichever came first', async t => {
  const [held, released] = [readHold(hold()), readHold(hold({ action: 'release' }))]
  t.same([outdoes(held, released), outdoes(released, held), outdoes(held, held)], [true, false, false])
})

const known = merge(emptyMembership({ cluster, authority: authority.address }), {
  ...noMembers,
  members: [genesisRecord({ node })],
}).membership

/** What is known after these came one after the other. */
const after = (...signed: ReturnType<typeof hold>[]) =>
  signed.reduce(
    ({ membership, refusals }, one) => {
      const next = merge(membership, { ...noMembers, holds: [one] })
      return { membership: next.membership, refusals: [...refusals, ...next.refusals] }
    },
    { membership: known, refusals: [] as readonly { readonly why: string }[] },
  )

const released = hold({ action: 'release', number: atMs + 1 })
const again = hold({ number: atMs + 2 })
const sequences = [
  ['a hold', [hold()], true],
  ['a hold and its release', [hold(), released], false],
  ['an older hold that is replayed after the release', [hold(), released, hold()], false],
  ['the release alone, and then the hold before it', [released, hold()], false],
  ['a new hold after the release', [hold(), released, again], true],
  ['the old release once more', [hold(), released, again, released], true],
] as const
for (const [what, signed, held] of sequences)
  t.test(`after ${what} the node is ${held ? '' : 'not '}held, and nothing was refused`, async t => {
    const { membership, refusals } = after(...signed)
    t.same([isHeld(membership, node.nodeId), refusals], [held, []])
    t.equal(membership.holds.size, 1, 'one of a node is kept')
  })

const unmerged = [
  ['another cluster', hold({ cluster: '0b'.repeat(16), number: atMs + 5 }), /another cluster/],
  ['a node that nobody knows', hold({ node: newNode().nodeId }), /nobody knows/],
  ['a stranger with a higher number', hold({ action: 'release', number: atMs + 5 }, stranger), /no operator/],
] as const
for (const [whose, signed, why] of unmerged)
  t.test(`merge() refuses a hold of ${whose}, and the node stays as it is`, async t => {
    const { membership, refusals } = after(again, signed)
    t.match(refusals, [{ why }])
    t.equal(isHeld(membership, node.nodeId), true)
  })

t.test('a hold is passed on, and outlives the record', async t => {
  const { membership } = after(hold())
  const heard = merge(emptyMembership(membership.trust), recordsOf(membership))
  t.same([heard.refusals, isHeld(heard.membership, node.nodeId)], [[], true])
  t.same(restore(recordsOf(membership), membership.trust), membership)
})

const appointed = (list: readonly Operator[], number: number) =>
  signedBy(authority, composeAppointment({ cluster, number, operators: list, issued }))

t.test('an operator holds until it is retired, and not by a later number either', async t => {
  const first = merge(known, { ...noMembers, appointment: appointed([{ address: operator.address }], 1) })
  const held = merge(first.membership, { ...noMembers, holds: [hold({}, operator)] }).membership
  t.equal(isHeld(held, node.nodeId), true)
  const retired = '2026-11-27T09:00:00Z'
  const { membership } = merge(held, {
    ...noMembers,
    appointment: appointed([{ address: operator.address, retired }], 2),
  })
  const late = hold({ issued: retired, number: Date.parse(retired), action: 'release' }, operator)
  t.match(merge(membership, { ...noMembers, holds: [late] }).refusals, [{ why: /no operator/ }])
  t.throws(() => hold({ number: Date.parse(retired) + 3_600_000 }), { name: 'ZodError' }, 'dated back')
})
