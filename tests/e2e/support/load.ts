import { lookUp } from './coredns.ts'
import type { Site } from './node.ts'
import { answers } from './olric.ts'
import { servicePasswordOf } from './password.ts'

/** How much of a load was answered, by service. */
export type Done = Readonly<Record<'rqlite' | 'olric' | 'kubo' | 'coredns', number>>

/**
 * Uses all four services at the same time, each question as soon as the last one is answered, until it is stopped;
 * what fails, since a service is down, does not count. rqlite has to have a table `load (number INTEGER)`.
 */
export async function startLoad(site: Site, name: string): Promise<{ readonly stop: () => Promise<Done> }> {
  const [rqlite, olric, kubo] = await Promise.all(
    ['rqlite', 'olric', 'kubo'].map(service => servicePasswordOf(site, service)),
  )
  let stopping = false
  const repeat = async (ask: (number: number) => Promise<unknown>) => {
    let answered = 0
    for (let number = 0; !stopping; number += 1)
      await ask(number).then(
        () => (answered += 1),
        () => undefined,
      )
    return answered
  }
  const post = (port: string, password: string | undefined, form: string) =>
    site.network.exec('curl', ['-sf', '-m', '10', '-K', '-', `http://10.0.0.1:${port}`], {
      input: `user = "orama:${password ?? ''}"\n${form}`,
    })
  const json = 'header = "Content-Type: application/json"\n'
  const running = Promise.all([
    repeat(async n => {
      const data = `data = "[\\"INSERT INTO load VALUES (${n})\\"]"\n`
      const answer = await post('10100/db/request', rqlite, json + data)
      // An error of the statement comes with status 200 too.
      if (!answer.includes('"rows_affected":1')) throw new Error(answer)
    }),
    repeat(n => answers(site, olric, manyPuts(n))),
    repeat(n => post('4101/api/v0/add', kubo, `form = "file=${n};filename=file"\n`)),
    repeat(async () => {
      if ((await lookUp(site, name)) !== '10.0.0.1') throw new Error('no answer')
    }),
  ])
  return {
    stop: async () => {
      stopping = true
      const [ofRqlite, ofOlric, ofKubo, ofCoredns] = await running
      return { rqlite: ofRqlite, olric: ofOlric, kubo: ofKubo, coredns: ofCoredns }
    },
  }
}

function manyPuts(turn: number): string[][] {
  return Array.from({ length: 200 }, (_, index) => ['DM.PUT', 'load', `${turn}-${index}`, 'x'.repeat(100)])
}
