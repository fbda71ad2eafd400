import type { SharesStatus } from '../protocol/status.ts'

/** K of N, and how many of them answer the node; or that its owner alone has its secret. */
export function holdersText({ mode, threshold = 0, guardians = [] }: SharesStatus): string {
  if (mode === 'escrow') return 'escrow'
  const reachable = guardians.filter(one => one.reachable).length
  return `${threshold} of ${guardians.length}, ${reachable} reachable`
}

/** Of an epoch's name the number alone: the rest only tells attempts apart. Undefined for an escrow. */
export function epochNumber({ epoch }: SharesStatus): string | undefined {
  return epoch?.split('-')[0]
}

/** How a node's disk secret is kept, who of its guardians is away, and what a person has to mend: rows of two columns. */
export function shareRows(shares: SharesStatus): readonly (readonly [string, string])[] {
  const { guardians = [], trouble = [], members } = shares
  const away = guardians.filter(one => !one.reachable)
  return [
    ['cluster', `${members} ${members === 1 ? 'node' : 'nodes'}`],
    ['disk secret', keptText(shares)],
    ...away.map(({ nodeId, since }) => ['away', awayText(nodeId, since)] as const),
    ...trouble.map(line => ['to mend', line] as const),
  ]
}

function keptText(shares: SharesStatus): string {
  if (shares.mode === 'escrow') return 'in escrow: its owner opens the disk'
  return `epoch ${epochNumber(shares) ?? '-'}, shares of guardians: ${holdersText(shares)}`
}

function awayText(nodeId: string, since: string | undefined): string {
  return `guardian ${nodeId}, ${since === undefined ? 'not asked yet' : `no answer since ${since}`}`
}
