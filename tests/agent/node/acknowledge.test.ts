import { randomBytes } from 'node:crypto'
import t from 'tap'
import { acknowledgeAgain } from '../../../agent/node/serve.ts'
import { acknowledgementSchema } from '../../../protocol/completion.ts'
import { formatTime, toBase64url } from '../../../protocol/fields.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { composeOrder, type Order } from '../../../protocol/order.ts'
import { acknowledgementContext } from '../../../protocol/requests.ts'
import { openFrom } from '../../../protocol/seal.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'
import { sampleEnrollment } from '../unlock/node-samples.ts'

const wallet = randomBytes(32)
const record = { ...sampleEnrollment().record, owner: addressOf(publicKeyOf(wallet)), lastOrder: 6 }
const pair = newKeyPair('x25519')
const ephemeral = toBase64url(pair.publicKey)
const strange = toBase64url(newKeyPair('x25519').publicKey)

function signed(change: Partial<Order> = {}, key: Uint8Array = wallet) {
  const text = composeOrder({
    node: record.nodeId,
    action: 'acknowledge',
    arguments: { ephemeral },
    number: 7,
    expires: formatTime(new Date(Date.now() + 60_000)),
    ...change,
  })
  return { text, signature: signText(text, key) }
}

t.test(
  'an order to acknowledge may come again, and only the key that it names opens the answers',
  async t => {
    const request = { order: signed(), ephemeral }
    const boxes = [acknowledgeAgain({ record }, request).box, acknowledgeAgain({ record }, request).box]
    t.not(boxes[0], boxes[1])
    for (const box of boxes) {
      const facts = JSON.parse(openFrom(pair.privateKey, acknowledgementContext, box).toString()) as unknown
      t.match(acknowledgementSchema.parse(facts), { nodeId: record.nodeId, agentToken: record.agentToken })
      t.throws(() => openFrom(newKeyPair('x25519').privateKey, acknowledgementContext, box))
    }
  },
)

const refused = [
  ['for a key that the order does not name', signed(), strange, /another key/],
  ['once a later order is stored', signed({ number: 6 }), ephemeral, /number 6 is used/],
  ['after its hour', signed({ expires: '2020-01-01T00:00:00Z' }), ephemeral, /expired/],
  ['of a stranger', signed({}, randomBytes(32)), ephemeral, /not the owner/],
  ['of another action', signed({ action: 'unlock' }), ephemeral, /says 'unlock'/],
] as const
for (const [why, order, key, message] of refused)
  t.test(`an order to acknowledge is refused: ${why}`, async t =>
    t.throws(() => acknowledgeAgain({ record }, { order, ephemeral: key }), {
      name: 'HttpError',
      status: 403,
      message,
    }),
  )
