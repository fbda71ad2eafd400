import { lookUp } from './coredns.ts'
import { addFile, catFile } from './kubo.ts'
import type { Site } from './node.ts'
import { getKey, putKey } from './olric.ts'
import { query } from './rqlite.ts'

/** What each of the four services says when it is asked for what was left there. */
export type Answers = Readonly<Record<'rqlite' | 'olric' | 'kubo' | 'coredns', string>>

const word = 'answered'

/**
 * Leaves a word in rqlite, olric and kubo. What it returns asks all services for it, and coredns for the node's
 * name; `expectedAnswers` is what they have to say.
 */
export async function leaveWords(site: Site, name: string): Promise<() => Promise<Answers>> {
  await query(site, 'CREATE TABLE IF NOT EXISTS answers (word TEXT)')
  await query(site, `INSERT INTO answers VALUES ('${word}')`)
  await putKey(site, 'answers', ['word', word])
  const cid = await addFile(site, word)
  return async () => ({
    rqlite: (await query(site, 'SELECT word FROM answers')).includes(word) ? word : 'no row',
    olric: await getKey(site, 'answers', 'word'),
    kubo: await catFile(site, cid),
    coredns: await lookUp(site, name),
  })
}

export const expectedAnswers: Answers = { rqlite: word, olric: word, kubo: word, coredns: '10.0.0.1' }
