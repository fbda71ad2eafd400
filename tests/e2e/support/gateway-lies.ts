import { randomBytes } from 'node:crypto'
import { inviteKey, proveInvite, tokenHash } from '../../../protocol/cluster/invite.ts'
import { composeVoucher } from '../../../protocol/cluster/voucher.ts'
import type { Completion, EnrollmentConfig } from '../../../protocol/completion.ts'
import { formatTime } from '../../../protocol/fields.ts'
import { enrollmentCode, type Hello, helloHash } from '../../../protocol/hello.ts'
import { signText } from '../../../protocol/wallet.ts'
import {
  authority,
  cluster,
  genesisRecord,
  joinRecord,
  newNode,
  newWallet,
  signedBy,
} from '../../protocol/cluster/sample.ts'
import { completionOf, type CompletionOf } from './completion.ts'

/** What a gateway sends to a node: in words, the completion, and what the node says to it. */
export type Lie = readonly [what: string, completion: Completion, why: RegExp]

/** Of a grant that the owner has signed: by it, and with the claim word, everything but the lie is right. */
export type Granted = Required<Pick<CompletionOf, 'hello' | 'nodeIp' | 'wallet' | 'claim'>>

type Config = NonNullable<CompletionOf['config']>
type Row = readonly [what: string, change: Pick<CompletionOf, 'grant' | 'config'>, why: RegExp]

/** What a gateway may try that has a grant of the node's owner, and his claim word in its box. */
export async function gatewayLies(granted: Granted): Promise<readonly Lie[]> {
  const rows = [...configurationLies(granted.hello), ...(await grantLies()), inventedCluster(granted.hello)]
  const lies = rows.map(async ([what, change, why]): Promise<Lie> => {
    return [what, await completionOf({ ...granted, ...change }), why]
  })
  return Promise.all([...lies, ownGrant(granted)])
}

const friend = { name: 'friend', publicKey: newNode().hello.wireguard, address: '10.0.0.9' }

function configurationLies({ wireguard: ownKey }: Hello): readonly Row[] {
  const peers = (...listed: readonly object[]): Config => wireguard({ peers: listed })
  const rows: readonly (readonly [string, Config, RegExp])[] = [
    ['a field that nobody knows', good => ({ ...good, postUp: 'reboot -f' }), /"postUp"/],
    ['a field that nobody knows, deeper', wireguard({ table: 'off' }), /wireguard: .*"table"/],
    ['a configuration for wg-quick', () => '[Interface]\nPostUp = reboot -f\n', /it is not JSON/],
    ['a peer who is everybody', peers({ ...friend, address: '0.0.0.0/0' }), /peers\.0\.address: not an IPv4/],
    ['routes of a peer', peers({ ...friend, allowedIps: ['0.0.0.0/0'] }), /peers\.0: .*"allowedIps"/],
    ['a network that is the whole world', wireguard({ prefix: 0 }), /wireguard\.prefix/],
    ["the node's own address for a peer", peers({ ...friend, address: '10.0.0.1' }), /two have one address/],
    ['a peer outside of the network', peers({ ...friend, address: '192.0.2.1' }), /outside the network/],
    [
      'one key for two peers',
      peers(friend, { ...friend, name: 'b', address: '10.0.0.8' }),
      /two have one key/,
    ],
    ['a private key for the node', wireguard({ privateKey: ownKey }), /wireguard: .*"privateKey"/],
    ['another cluster', good => ({ ...good, cluster: randomBytes(16).toString('hex') }), /another cluster/],
  ]
  return rows.map(([what, config, why]) => [what, { config }, why])
}

function wireguard(change: object): Config {
  return good => ({ ...good, wireguard: { ...good.wireguard, ...change } })
}

/** True grants of the owner, but not for this node, or not now. */
async function grantLies(): Promise<readonly Row[]> {
  const { hello } = newNode()
  const at = (minutes: number) => formatTime(new Date(Date.now() + minutes * 60_000))
  const ofAnother = { hello: helloHash(hello), code: await enrollmentCode(hello) }
  return [
    ['a grant for other keys', { grant: ofAnother }, /it is for another hello/],
    ['a stale grant', { grant: { issued: at(-20), expires: at(-5) } }, /it expired at/],
    ['a grant for a day', { grant: { expires: at(1440) } }, /must live at most 60 minutes/],
  ]
}

/** A cluster in which the gateway is the operator: the authority that the owner's grant names knows nothing of it. */
function inventedCluster({ wireguard: publicKey }: Hello): Row {
  const own = newWallet()
  const token = randomBytes(32)
  const hash = tokenHash(inviteKey(token).publicKey)
  const grant = { kind: 'join', cluster, authority: authority.address, tokenHash: hash } as const
  const times = {
    issued: formatTime(new Date(Date.now() - 1000)),
    expires: formatTime(new Date(Date.now() + 1e6)),
  }
  const voucher = signedBy(own, composeVoucher({ cluster, tokenHash: hash, ...times }))
  const members = [genesisRecord(), joinRecord({ operator: own })]
  const join = {
    // Not of this grant: what its members vouch for is left out, and this node is none without.
    invite: { voucher, proof: proveInvite(token, publicKey) },
    membership: { members, departures: [] },
    endpoints: [],
  }
  const config = (good: EnrollmentConfig) => ({
    ...good,
    join,
    wireguard: { ...good.wireguard, address: '10.0.0.3' },
  })
  return ['a cluster of its own operator', { grant, config }, /member at 10\.0\.0\.3: /]
}

/** The owner's text, and his claim word as he sealed it, under a signature of the gateway's own. */
async function ownGrant(granted: Granted): Promise<Lie> {
  const { key, address } = newWallet()
  const good = await completionOf({ ...granted, grant: { authority: address } })
  const { text } = good.grant
  const stolen = { ...good, grant: { text, signature: signText(text, key) } }
  return ["the owner's claim word for an owner of its own", stolen, /the claim word is wrong/]
}
