import { isHeld } from '../../../../protocol/cluster/membership.ts'
import type { SignedText } from '../../../../protocol/fields.ts'
import { joinRecord, newWallet } from '../../../protocol/cluster/sample.ts'
import { type Backend, now, row } from './backend.ts'
import {
  appointing,
  both,
  evicting,
  first,
  genesis,
  holding,
  ids,
  insertedAt,
  issued,
  joined,
  known,
  none,
  rowCount,
  second,
} from './member-sample.ts'

/** Whom the authority appoints, and what operators hold and release. */
export function orderRows(backend: Backend): void {
  row(backend, 'the newest appointment counts', async (t, pair) => {
    const [a, b] = both(pair)
    const operator = newWallet()
    const retired = [{ address: operator.address, retired: issued }]
    t.same(await a.add({ ...none, appointment: appointing(1, [{ address: operator.address }]) }, now), [])
    t.same(await b.add({ ...none, members: [joinRecord({ operator })] }, now), [])
    t.same(await b.add({ ...none, appointment: appointing(2, retired) }, now), [])
    t.same(await a.add({ ...none, appointment: appointing(1, [{ address: operator.address }]) }, now), [])
    t.match(await a.add({ ...none, appointment: appointing(3, []) }, now), [{ why: /do not vanish/ }])
    t.same((await known(a)).appointment, appointing(2, retired))
    t.same((await a.membership()).trust.operators, retired)
  })

  row(
    backend,
    'a registry that learns of all after a dismissal keeps whom the operator invited',
    async (t, pair) => {
      const [a, b] = both(pair)
      const operator = newWallet()
      const appointment = appointing(2, [{ address: operator.address, retired: issued }])
      const members = [genesis, joinRecord({ operator })]
      t.same(await a.add({ ...none, appointment, members }, now), [])
      t.equal((await ids(b)).length, 2)
      t.match(await b.add({ ...none, departures: [evicting(first, operator)] }, now), [
        { why: /no operator/ },
      ])
    },
  )

  row(backend, 'of the holds of a node the highest number counts', async (t, pair) => {
    const [a, b] = both(pair)
    const [old, mid, last] = [holding(1, 'hold'), holding(2, 'release'), holding(3, 'hold')]
    const other = holding(2, 'hold', { node: first })
    t.same(await a.add({ ...none, members: [genesis, joined], holds: [mid, other] }, now), [])
    t.same(await b.add({ ...none, holds: [old, mid] }, now), [], 'what is old or known is no refusal')
    t.equal(await rowCount(pair), 4)
    t.notOk(isHeld(await b.membership(), second.nodeId))
    t.same(await b.add({ ...none, holds: [last] }, now), [])
    t.equal(await rowCount(pair), 5)
    t.same((await known(a)).holds?.toSorted(byText), [last, other].toSorted(byText))
    t.ok(isHeld(await a.membership(), second.nodeId))
  })

  row(backend, 'of two holds with one number all gateways choose the same', async (t, pair) => {
    const [a, b] = both(pair)
    await a.add({ ...none, members: [genesis, joined] }, now)
    const later = holding(2, 'hold', { at: '2026-11-23T08:00:00Z' })
    const rivals = [holding(2, 'release'), later, holding(2, 'hold')]
    for (const one of rivals) await b.add({ ...none, holds: [one] }, now)
    for (const one of rivals.toReversed()) await a.add({ ...none, holds: [one] }, now)
    t.same((await known(a)).holds, [rivals[2]])
  })

  row(backend, 'an old hold that somebody wrote behind a newer one counts for nothing', async (t, pair) => {
    const [a, b] = both(pair)
    const release = holding(2, 'release')
    await a.add({ ...none, members: [genesis, joined], holds: [release] }, now)
    const old = ['hold', 'forged', JSON.stringify(holding(1, 'hold'))]
    await pair[0].execute([insertedAt(4, old)])
    t.equal(await rowCount(pair), 4)
    t.same(await known(b), { ...none, members: [genesis, joined], holds: [release] })
  })
}

const byText = (a: SignedText, b: SignedText) => (a.text < b.text ? -1 : 1)
