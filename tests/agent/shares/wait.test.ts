import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openByPeers, type Waiting } from '../../../agent/shares/wait.ts'
import { GuardianRefusal } from '../../../agent/shares/world.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { type EpochId, epochName, newEpochId, noteHolder } from '../../../protocol/shares/epoch.ts'
import type { Opening } from '../../../protocol/shares/opening.ts'
import { splitSecret } from '../../../protocol/shares/split.ts'
import { someNodeId } from '../../protocol/cluster/sample.ts'

const node = someNodeId(0)
const guardians = [1, 2, 3, 4, 5].map(someNodeId)

/** A way over five guardians, of which three open it; what each holds goes into `held`. */
async function wayOf(number: number, held: Map<string, Buffer>) {
  const secret = randomBytes(32)
  const shares = await splitSecret(secret, { count: 5, threshold: 3 })
  const id = newEpochId(number)
  const holders = guardians.map((guardian, at) => {
    const share = shares[at] ?? Buffer.alloc(0)
    held.set(`${guardian} ${epochName(id)}`, share)
    return noteHolder(share, { node, epoch: id, guardian })
  })
  const epoch = { ...id, threshold: 3, made: '2026-11-27T08:00:00Z', holders }
  const way: Opening = { kind: 'shares', keyslot: number, epoch }
  return { way, secret }
}

const held = new Map<string, Buffer>()
const [older, newer] = [await wayOf(1, held), await wayOf(2, held)]

/** A node that waits; `away` guardians do not answer, and every pause lets one of them come back. */
function waitingFor(
  openings: { current: Opening; next?: Opening },
  away: string[],
  more: Partial<Waiting> = {},
) {
  const said: string[] = []
  const briefs: string[] = []
  const opened: string[] = []
  let pauses = 0
  const waiting: Waiting = {
    record: () => ({ nodeId: node, openings }) as unknown as NodeRecord,
    guardians: {
      release: (guardian: string, epoch: EpochId) => {
        if (away.includes(guardian)) return Promise.reject(new Error('no route'))
        const share = held.get(`${guardian} ${epochName(epoch)}`)
        if (share === undefined) return Promise.reject(new GuardianRefusal('no-share', 'none'))
        return Promise.resolve(Buffer.from(share))
      },
    },
    open: (secret, way) => {
      const right = [older, newer].find(one => one.way.keyslot === way.keyslot)
      if (right === undefined || !secret.equals(right.secret))
        return Promise.reject(new Error('wrong secret'))
      opened.push(String(way.keyslot))
      return Promise.resolve()
    },
    report: (line, brief) => {
      said.push(line)
      if (brief !== undefined) briefs.push(brief)
    },
    signal: new AbortController().signal,
    pause: () => {
      pauses += 1
      away.pop()
      return Promise.resolve()
    },
    ...more,
  }
  return { waiting, said, briefs, opened, pauses: () => pauses }
}

t.test('the third guardian that comes back opens it, in the next round', async t => {
  const away = guardians.slice(0, 4)
  const { waiting, said, opened, pauses } = waitingFor({ current: older.way }, away)
  await openByPeers(waiting)
  t.same(opened, ['1'])
  t.equal(pauses(), 2)
  t.match(said[0], /need 3 of 5, 2 missing: .*no answer \(no route\)/)
})

t.test('in brief: how many are there, then who has to come back, then who answered', async t => {
  const { waiting, briefs } = waitingFor({ current: older.way }, guardians.slice(0, 3))
  await openByPeers(waiting)
  const [one, two, three, ...rest] = guardians
  t.equal(
    briefs[0],
    `shares of its guardians, 2 of 3 are there; no answer: ${one}, ${two}, ${three}; good: ${rest.join(', ')}`,
  )
})

t.test('the newer way is tried first, the older where its guardians do not have it', async t => {
  const both = { current: older.way, next: newer.way }
  const first = waitingFor(both, [])
  await openByPeers(first.waiting)
  t.same(first.opened, ['2'])
  const none = waitingFor(both, [], {
    guardians: {
      release: (guardian, epoch) =>
        epoch.number === 2
          ? Promise.reject(new GuardianRefusal('no-share', 'none'))
          : Promise.resolve(Buffer.from(held.get(`${guardian} ${epochName(epoch)}`) ?? '')),
    },
  })
  await openByPeers(none.waiting)
  t.same(none.opened, ['1'])
  t.match(none.said[0], /refused \(no-share\)/)
})

t.test('it waits without end, and ends at once when it is told', async t => {
  const stop = new AbortController()
  let rounds = 0
  const { waiting, opened } = waitingFor({ current: older.way }, [...guardians], {
    signal: stop.signal,
    pause: () => {
      rounds += 1
      if (rounds === 12) stop.abort()
      return Promise.resolve()
    },
  })
  await openByPeers(waiting)
  t.same([rounds, opened], [12, []])
})

t.test('a disk that the secret does not open is said, and tried again', async t => {
  let tries = 0
  const { waiting, said } = waitingFor({ current: older.way }, [], {
    open: () => (++tries === 1 ? Promise.reject(new Error('status 2')) : Promise.resolve()),
  })
  await openByPeers(waiting)
  t.equal(tries, 2)
  t.match(said[1], /does not open the disk: status 2/)
})

t.test('an escrow alone is not for guardians', async t => {
  const { waiting, said } = waitingFor({ current: { kind: 'escrow', keyslot: 0, number: 1 } }, [])
  await openByPeers(waiting)
  t.same(said, [])
})
