import { setTimeout as sleep } from 'node:timers/promises'
import { lookUp } from './coredns.ts'
import type { Site } from './node.ts'
import { answers } from './olric.ts'
import { servicePasswordOf } from './password.ts'
import { poll } from './poll.ts'

/** How much of a load was answered, by service. */
export type Done = Readonly<Record<'rqlite' | 'olric' | 'kubo' | 'coredns', number>>

export type Load = {
  /** Waits until each service has answered so often. Throws, with what was answered, when that takes too long. */
  readonly until: (each: number) => Promise<void>
  readonly stop: () => Promise<Done>
}

/** What a service has before its next question: an emulated machine has to have some time left for what is tested. */
const pauseMs = 300

/**
 * Uses all four services at the same time, each question soon after the last one is answered, until it is stopped;
 * what fails, since a service is down, does not count. rqlite has to have a table `load (number INTEGER)`.
 */
export async function startLoad(site: Site, name: string): Promise<Load> {
  const [rqlite, olric, kubo] = await Promise.all(
    ['rqlite', 'olric', 'kubo'].map(service => servicePasswordOf(site, service)),
  )
  let stopping = false
  const done = { rqlite: 0, olric: 0, kubo: 0, coredns: 0 }
  const repeat = async (service: keyof Done, ask: (number: number) => Promise<unknown>) => {
    for (let number = 0; !stopping; number += 1) {
      await ask(number).then(
        () => (done[service] += 1),
        () => undefined,
      )
      await sleep(pauseMs)
    }
  }
  const post = (port: string, password: string | undefined, form: string) =>
    site.network.exec('curl', ['-sf', '-m', '10', '-K', '-', `http://10.0.0.1:${port}`], {
      input: `user = "orama:${password ?? ''}"\n${form}`,
    })
  const json = 'header = "Content-Type: application/json"\n'
  const running = Promise.all([
    repeat('rqlite', async n => {
      const data = `data = "[\\"INSERT INTO load VALUES (${n})\\"]"\n`
      const answer = await post('10100/db/request', rqlite, json + data)
      // An error of the statement comes with status 200 too.
      if (!answer.includes('"rows_affected":1')) throw new Error(answer)
    }),
    repeat('olric', n => answers(site, olric, manyPuts(n))),
    repeat('kubo', n => post('4101/api/v0/add', kubo, `form = "file=${n};filename=file"\n`)),
    repeat('coredns', async () => {
      if ((await lookUp(site, name)) !== '10.0.0.1') throw new Error('no answer')
    }),
  ])
  return {
    until: async each => {
      const wanted = (answered: Done) => Math.min(...Object.values(answered)) >= each
      await poll({ ask: () => done, wanted, what: `${each} answers of each service`, deadlineMs: loadMs })
    },
    stop: async () => {
      stopping = true
      await running
      return done
    },
  }
}

const loadMs = 300_000

function manyPuts(turn: number): string[][] {
  return Array.from({ length: 200 }, (_, index) => ['DM.PUT', 'load', `${turn}-${index}`, 'x'.repeat(100)])
}
