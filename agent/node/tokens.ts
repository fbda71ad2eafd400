import type { Escrow } from '../../protocol/escrow.ts'
import type { NodeRecord } from '../../protocol/record.ts'
import { type ClusterView, clusterView } from '../cluster/view.ts'
import { configText } from '../network/wireguard.ts'
import type { LuksHeader } from '../unlock/luks-header.ts'
import type { Reencryption } from '../unlock/reencryption.ts'
import { readEscrowToken, readNodeToken, readSharesToken } from '../unlock/tokens.ts'
import type { SharesOf } from './guardian.ts'

/** What a node knows from its header, before anything is open. */
export type Tokens = {
  readonly record: NodeRecord
  /** Of what the record says. */
  readonly view: ClusterView
  readonly escrow: Escrow | undefined
  /** Of others. Those that cannot be read are no reason to refuse the node its own disk. */
  readonly shares: SharesOf['held']
  /** Where the disk was being given a new key. */
  readonly reencryption: Reencryption | undefined
}

/**
 * Reads the tokens of a header that was checked. Nobody has vouched for them yet: whoever had the disk may have written
 * them. Throws SyntaxError with the reason for what cannot be used.
 */
export function tokensOf(header: LuksHeader): Tokens {
  const { record } = readNodeToken(header)
  return {
    record,
    view: viewOf(record),
    escrow: readEscrowToken(header),
    shares: () => readSharesToken(header),
    reencryption: header.reencryption,
  }
}

/** What a schema does not see: the texts that wallets have signed, and what WireGuard is going to be told. */
function viewOf(record: NodeRecord): ClusterView {
  try {
    const view = clusterView(record)
    configText({ ...record.wireguard, peers: view.peers(), privateKey: Buffer.alloc(32) })
    return view
  } catch (cause) {
    throw new SyntaxError('Cannot use orama-node: its members cannot be read', { cause })
  }
}
