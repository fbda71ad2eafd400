import t from 'tap'
import {
  type RefusalReason,
  refusalReasons,
  releaseRefusalSchema,
} from '../../../protocol/shares/guardian.ts'
import { Refused, refusalReply } from '../../../services/guardian/refusals.ts'

const statuses: Readonly<Record<RefusalReason, number>> = {
  lease: 409,
  starting: 425,
  held: 423,
  'no-share': 404,
  release: 403,
  'not-a-member': 403,
  'not-signed': 403,
  session: 409,
  'too-many': 429,
}

for (const reason of refusalReasons)
  t.test(`refusalReply() of '${reason}' is what the protocol has`, async t => {
    const { status, body, headers } = refusalReply({ reason, retryS: 7, holds: [] })
    t.equal(status, statuses[reason])
    t.match(releaseRefusalSchema.parse(body), { reason, retryS: 7, holds: [], error: /./, hint: /./ })
    t.same(headers, { 'retry-after': '7' })
  })

t.test('a refusal says in the log how long to wait, where it helps', async t => {
  t.equal(new Refused({ reason: 'lease', retryS: 7 }).message, 'refused: lease, retry in 7 s')
  t.equal(new Refused({ reason: 'held' }).message, 'refused: held')
})
