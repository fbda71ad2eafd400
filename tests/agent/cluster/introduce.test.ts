import t, { type Test } from 'tap'
import { introduce, introduceDelayMs, type Place, postMember } from '../../../agent/cluster/introduce.ts'
import { nodeIdOf } from '../../../protocol/hello.ts'
import { fromBase64url } from '../../../protocol/fields.ts'
import { joinRecord } from '../../protocol/cluster/sample.ts'
import { afterLoss } from '../../services/gateway/enroll/after-loss.ts'
import { newWaiting } from '../../services/gateway/enroll/played-waiting.ts'

const minute = 60_000
const [one, two] = [
  { host: '192.0.2.1', port: 443 },
  { host: '192.0.2.2', port: 8443 },
]

type World = {
  /** When another node answers. */
  readonly knownMs: number
  readonly places?: readonly Place[]
  readonly takes?: (host: string) => boolean
  readonly stopMs?: number
  /** Which calls of the firewall fail, the first being 1. */
  readonly shut?: readonly number[]
}

/** What a node does until another answers, with the minutes of a clock that the pauses move. */
async function watched({
  knownMs,
  places = [one],
  takes = () => false,
  stopMs = Infinity,
  shut = [],
}: World) {
  const did: string[] = []
  const stop = new AbortController()
  let nowMs = 0
  let opened = 0
  const note = (what: string) => void did.push(`${Math.floor(nowMs / minute)} ${what}`)
  await introduce({
    member: joinRecord(),
    places: () => places,
    isOver: () => nowMs >= knownMs,
    openPorts: ports => {
      if (shut.includes(++opened)) return Promise.reject(new Error('nft: no time'))
      return Promise.resolve(note(`open ${ports.join()}`))
    },
    post: ({ host }) => {
      note(host)
      return takes(host) ? Promise.resolve() : Promise.reject(new Error('no'))
    },
    pause: ms => {
      nowMs += ms
      if (nowMs >= stopMs) stop.abort()
      return Promise.resolve()
    },
    random: () => 0.999_999,
    log: () => undefined,
    signal: stop.signal,
  })
  return did
}

t.test('a node that is answered within a minute opens nothing and says nothing', async t => {
  t.same(await watched({ knownMs: minute / 2 }), [])
})

t.test('a firewall that fails once keeps it from gateways for one round', async t => {
  const did = await watched({ knownMs: 10 * minute, shut: [1, 2], takes: () => true })
  t.same(did, ['6 open 443', '6 192.0.2.1', '10 open '])
})

t.test('it says so after 1, 3, 7 minutes, and then every 10; the port closes when it is known', async t => {
  const posts = (await watched({ knownMs: 40 * minute, takes: () => true })).filter(
    what => !what.includes('open'),
  )
  const minutes = posts.map(what => Number(what.split(' ')[0]) + 1)
  t.same(minutes, [1, 3, 7, 15, 25, 35])
  t.same((await watched({ knownMs: 2 * minute, takes: () => true })).slice(-2), ['0 192.0.2.1', '2 open '])
})

t.test('one place after the other is asked, until one has taken the record', async t => {
  const places = [one, two, { host: '192.0.2.3', port: 443 }]
  const until = (host: string) => watched({ knownMs: 2 * minute, places, takes: given => given === host })
  const [first = ''] = (await until('192.0.2.9'))
    .filter(what => what.includes('192'))
    .map(what => what.slice(2))
  t.equal((await until(first)).filter(what => what.includes('192')).length, 1)
  t.equal((await until('192.0.2.9')).filter(what => what.includes('192')).length, 3)
  t.match(await until(first), [/open 443,8443,443/])
})

t.test('of many places eight are asked in a round', async t => {
  const places = Array.from({ length: 20 }, (_, at) => ({ host: `192.0.2.${at}`, port: 443 }))
  t.equal((await watched({ knownMs: 2 * minute, places })).filter(what => what.includes('192')).length, 8)
})

t.test('nowhere to say it: nothing is opened', async t => {
  t.same(await watched({ knownMs: 20 * minute, places: [] }), [])
})

t.test('a node that stops leaves the firewall alone', async t => {
  const did = await watched({ knownMs: Infinity, stopMs: 2 * minute })
  t.same(
    did.filter(what => what.includes('open')),
    ['0 open 443'],
  )
})

const delays = [
  [0, 0, 0.5],
  [0, 0.999_999, 1],
  [1, 0, 1],
  [3, 0.999_999, 8],
  [4, 0.999_999, 10],
  [2000, 0, 5],
] as const
for (const [round, random, minutes] of delays)
  t.test(`round ${round} comes after ${minutes} minutes with chance ${random}`, async t => {
    t.equal(Math.round(introduceDelayMs(round, random) / 1000), minutes * 60)
  })

const whole = (t: Test) => newWaiting().then(session => afterLoss(t, session))
const { signal } = new AbortController()

t.test('a gateway whose certificate nobody vouches for takes the record', async t => {
  const { gateway, member, agent } = await whole(t)
  await postMember({ host: '127.0.0.1', port: gateway.port }, member, signal)
  t.ok(agent.membership().members.has(nodeIdOf(fromBase64url(member.hello.identity))))
})

t.test('what a gateway refuses, and what is none, is an error', async t => {
  const { gateway } = await whole(t)
  const to = { host: '127.0.0.1', port: gateway.port }
  await t.rejects(postMember(to, joinRecord(), signal), { message: /status 403/ })
  await t.rejects(postMember({ ...to, port: 1 }, joinRecord(), signal), { code: 'ECONNREFUSED' })
})
