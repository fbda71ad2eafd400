import type { AuditEntry } from '../../../../protocol/cluster/audit.ts'
import { auditOf } from '../../../../services/gateway/registry/audit.ts'
import { type Backend, many, row } from './backend.ts'

const entry = (changes: Partial<AuditEntry> = {}): AuditEntry => ({
  at: '2026-11-21T08:00:00Z',
  who: 'anybody',
  what: 'POST /v1/node/enroll',
  outcome: 'refused: expired',
  requestId: 'r1',
  ...changes,
})

const hostile = [
  '\'"; DROP TABLE audit; --',
  'a\0b',
  '\u0000\u001b[2J',
  '😀 \u202e',
  "x'41'",
  'a'.repeat(1024),
  ':now ?1',
]

const refused: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['no time', entry({ at: 'now' })],
  ['a time with fractions', entry({ at: '2026-11-21T08:00:00.5Z' })],
  ['no node id', entry({ node: 'n' })],
  ['nobody', entry({ who: '' })],
  ['10 KB', entry({ what: 'a'.repeat(10_000) })],
  ['an unknown field', { ...entry(), more: 1 }],
  ['half a surrogate pair', entry({ outcome: '\ud800' })],
]

/** The audit: all of it, in order, whatever it says. */
export function auditRows(backend: Backend): void {
  row(backend, 'entries come back newest first, page by page', async (t, [a, b]) => {
    for (const at of many(7, at => at))
      await auditOf(at % 2 === 0 ? a : b).append(entry({ requestId: `r${at}` }))
    const audit = auditOf(b)
    const pages = [await audit.page(3)]
    for (let { cursor } = pages[0] ?? {}; cursor !== undefined;) {
      const next = await audit.page(3, cursor)
      pages.push(next)
      cursor = next.cursor
    }
    const ids = pages.map(page => page.entries.map(one => one.requestId))
    t.same(ids, [['r6', 'r5', 'r4'], ['r3', 'r2', 'r1'], ['r0']])
  })

  row(backend, 'a page goes on where it ended, although entries came meanwhile', async (t, [a, b]) => {
    for (const at of many(4, at => at)) await auditOf(a).append(entry({ requestId: `r${at}` }))
    const { cursor } = await auditOf(a).page(2)
    await auditOf(b).append(entry({ requestId: 'late' }))
    t.same(
      (await auditOf(b).page(2, cursor)).entries.map(one => one.requestId),
      ['r1', 'r0'],
    )
    t.same(await auditOf(a).page(4, 0), { entries: [] })
  })

  row(backend, '20 entries at once are all there, alike or not', async (t, [a, b]) => {
    await Promise.all(many(20, at => auditOf(at % 2 === 0 ? a : b).append(entry())))
    t.equal((await auditOf(a).page(256)).entries.length, 20)
  })

  for (const [at, text] of hostile.entries())
    row(backend, `hostile text ${at} is kept as it is`, async (t, [a, b]) => {
      const hard = entry({
        who: text,
        what: text,
        outcome: text,
        requestId: text,
        node: `n${'a'.repeat(16)}`,
      })
      await auditOf(a).append(hard)
      t.same(await auditOf(b).page(1), { entries: [hard] })
    })

  for (const [what, value] of refused)
    row(backend, `an entry with ${what} is refused`, async (t, [a]) => {
      await t.rejects(auditOf(a).append(value as AuditEntry))
      t.same(await auditOf(a).page(1), { entries: [] })
    })

  row(backend, 'a page of no size is refused', async (t, [a]) => {
    for (const limit of [0, -1, 257, 1.5, NaN])
      await t.rejects(auditOf(a).page(limit), { name: 'RangeError', message: /ask for 1 to 256/ })
    await t.rejects(auditOf(a).page(1, 0.5), { name: 'RangeError' })
  })
}
