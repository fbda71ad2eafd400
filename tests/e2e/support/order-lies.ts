import { composeEviction } from '../../../protocol/cluster/departure.ts'
import { composeHold } from '../../../protocol/cluster/hold.ts'
import { formatTime, type SignedText, toBase64url } from '../../../protocol/fields.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { composeOrder, type Order } from '../../../protocol/order.ts'
import { newNode, signedBy, type TestWallet } from '../../protocol/cluster/sample.ts'
import { double, type Played } from './member-lies.ts'

/** What the holder of an agent's token tries: path and body, and what it is refused with. */
export type OrderLie = readonly [what: string, path: string, body: object, status: number, why: RegExp]

const lifeMs = 10 * 60_000
export const commandPath = '/v1/agent/command'
const acknowledgementPath = '/v1/agent/acknowledgement'

/** An order to the genesis, right in all that is not changed. */
export function orderOf({ genesis, owner }: Played, order: Partial<Order>, by = owner): SignedText {
  const expires = formatTime(new Date(Date.now() + lifeMs))
  const facts = {
    node: genesis,
    action: 'leave',
    arguments: { force: 'yes' },
    number: Date.now(),
    expires,
  } as const
  return signedBy(by, composeOrder({ ...facts, ...order }))
}

/** Where the second member is, as an order of the owner says it. */
export function endpointsOrder(played: Played, endpoint: string, order: Partial<Order> = {}): object {
  const endpoints = { [played.second.nodeId]: endpoint }
  const signed = orderOf(played, { action: 'endpoints', arguments: endpoints, ...order })
  return { action: 'endpoints', endpoints, order: signed }
}

/** All that a gateway that was taken over may try with the token; `taken` is the last number that the node took. */
export function commandLies(played: Played, taken: number): readonly OrderLie[] {
  const rows = [...leaveLies(played, taken), ...clusterLies(played), ...otherLies(played, taken)]
  const commands = rows.map(([what, body, status, why]): OrderLie => [what, commandPath, body, status, why])
  return [...commands, ...acknowledgementLies(played)]
}

type Row = readonly [what: string, body: object, status: number, why: RegExp]

function leaveLies(played: Played, taken: number): readonly Row[] {
  const leave = (order: Partial<Order>, by?: TestWallet) => ({
    ...{ action: 'leave', force: 'yes' },
    order: orderOf(played, order, by),
  })
  const { text, signature } = orderOf(played, { action: 'acknowledge' })
  const edited = { text: text.replace('acknowledge', 'leave'), signature }
  const past = formatTime(new Date(Date.now() - 1000))
  return [
    ['a leaving with the token alone', { action: 'leave' }, 403, /needs an order signed by the owner/],
    ['a leaving by its own signature', leave({}, double), 403, /who is not the owner/],
    ['a leaving that was an acknowledgement', leave({ action: 'acknowledge' }), 403, /says 'acknowledge'/],
    ['an order that was edited', { ...leave({}), order: edited }, 403, /who is not the owner/],
    ['the leaving of another node', leave({ node: played.second.nodeId }), 403, /it is for node n/],
    ['a leaving that has expired', leave({ expires: past }), 403, /it expired at/],
    ['a leaving with a number that is used', leave({ number: taken }), 403, /number \d+ is used/],
    ['a leaving that it forces', leave({ arguments: {} }), 403, /its 'force' is not that/],
  ]
}

function clusterLies({ cluster, owner, second }: Played): readonly Row[] {
  const facts = { cluster, node: second.nodeId, issued: formatTime(new Date()) }
  const eviction = (by: TestWallet, changes: object = {}) => ({
    action: 'evict',
    order: signedBy(by, composeEviction({ ...facts, force: 'yes', ...changes })),
  })
  const hold = (action: 'hold' | 'release', by: TestWallet) =>
    signedBy(by, composeHold({ ...facts, action, number: Date.now() }))
  return [
    ['an eviction by its own signature', eviction(double), 403, /who is no operator of this cluster/],
    ['an eviction of nobody', eviction(owner, { node: newNode().nodeId }), 404, /nobody knows that node/],
    ['an eviction in another cluster', eviction(owner, { cluster: '0b'.repeat(16) }), 403, /another node or/],
    [
      'a hold by its own signature',
      { action: 'hold', order: hold('hold', double) },
      403,
      /who is no operator/,
    ],
    ['a hold for a release', { action: 'release', order: hold('hold', owner) }, 400, /says 'hold'/],
  ]
}

function otherLies(played: Played, taken: number): readonly Row[] {
  const here = '192.0.2.66:51820'
  const move = endpointsOrder(played, here)
  const audit = { action: 'seccomp', mode: 'audit', service: 'rqlite' }
  const own = orderOf(played, { action: 'seccomp', arguments: { mode: 'audit', service: 'rqlite' } }, double)
  const elsewhere = { [played.second.nodeId]: '192.0.2.67:51820' }
  return [
    ['an endpoint that it changed', { ...move, endpoints: elsewhere }, 403, /is not that of the command/],
    ['an order once more', endpointsOrder(played, here, { number: taken }), 403, /number \d+ is used/],
    ['audit with the token alone', audit, 403, /needs an order signed by the owner/],
    ['audit by its own signature', { ...audit, order: own }, 403, /who is not the owner/],
    ['the escrow', { action: 'escrow', order: own }, 409, /the owner has the secret already/],
    ['an update', { action: 'update' }, 403, /needs an order/],
    ['a rekey with the token alone', { action: 'rekey' }, 403, /needs an order signed by the owner/],
    ['a rekey by its own signature', { action: 'rekey', order: own }, 403, /who is not the owner/],
    ['an action that there is not', { action: 'format', order: own }, 400, /action/],
    ['an order for what needs none', { action: 'reboot', order: own }, 400, /takes no order/],
  ]
}

function acknowledgementLies(played: Played): readonly OrderLie[] {
  const ephemeral = toBase64url(newKeyPair('x25519').publicKey)
  const order = (key: string, by?: TestWallet) =>
    orderOf(played, { action: 'acknowledge', arguments: { ephemeral: key } }, by)
  const another = order(toBase64url(newKeyPair('x25519').publicKey))
  const path = acknowledgementPath
  return [
    ['an acknowledgement', path, { order: order(ephemeral, double), ephemeral }, 403, /not the owner/],
    ["the owner's, for a key of its own", path, { order: another, ephemeral }, 403, /names another key/],
  ]
}
