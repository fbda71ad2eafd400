import t from 'tap'
import { epochNumber, holdersText, shareRows } from '../../operator/share-text.ts'
import type { SharesStatus } from '../../protocol/status.ts'
import { someNodeId } from '../protocol/cluster/sample.ts'

const since = '2026-11-21T07:58:00Z'
const guardians = [1, 2, 3, 4, 5].map(at => ({
  nodeId: someNodeId(at),
  reachable: at > 2,
  ...(at === 1 && { since }),
}))
const shares = { mode: 'shares', epoch: `3-${'ab'.repeat(16)}`, threshold: 3, guardians, members: 6 } as const
const escrow = { mode: 'escrow', members: 1 } as const

const rows: readonly (readonly [string, SharesStatus, string, string])[] = [
  ['a cluster of one', escrow, 'cluster', '1 node'],
  ['a secret that the owner has', escrow, 'disk secret', 'in escrow: its owner opens the disk'],
  ['a cluster of six', shares, 'cluster', '6 nodes'],
  ['how many guardians answer', shares, 'disk secret', 'epoch 3, shares of guardians: 3 of 5, 3 reachable'],
  ['who does not answer', shares, 'away', `guardian ${someNodeId(1)}, no answer since ${since}`],
  ['who was not asked', shares, 'away', `guardian ${someNodeId(2)}, not asked yet`],
  ['what is to be mended', { ...escrow, trouble: ['one', 'two'] }, 'to mend', 'one'],
  ['all that is to be mended', { ...escrow, trouble: ['one', 'two'] }, 'to mend', 'two'],
]

for (const [what, of, name, text] of rows)
  t.test(`a person is told ${what}`, async t => {
    t.ok(
      shareRows(of).some(([left, right]) => left === name && right === text),
      JSON.stringify(shareRows(of)),
    )
  })

t.test('of an escrow there are no holders, no epoch, and nobody is away', async t => {
  t.equal(holdersText(escrow), 'escrow')
  t.equal(epochNumber(escrow), undefined)
  t.notOk(shareRows(escrow).some(([name]) => name === 'away' || name === 'to mend'))
})
