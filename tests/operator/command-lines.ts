import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commands } from '../../operator/commands.ts'

const root = join(import.meta.dirname, '../..')

/** One use of `orama` that we show people: where, and its words after the name. */
export type Shown = { readonly where: string; readonly words: readonly string[] }

/** All examples of the help, and every `orama …` in code of README, changelog and docs. */
export async function shownLines(): Promise<Shown[]> {
  const shown: Shown[] = []
  for (const [area, table] of Object.entries(commands))
    for (const [name, command] of Object.entries(table))
      for (const text of command.examples)
        shown.push(...oramaIn(text).map(words => ({ where: `help of ${area} ${name}`, words })))
  const files: string[] = []
  for await (const file of glob(['*.md', 'docs/**/*.md'], { cwd: root })) files.push(file)
  for (const file of files.sort())
    for (const code of codeOf(await readFile(join(root, file), 'utf8')))
      shown.push(...oramaIn(code).map(words => ({ where: file, words })))
  return shown
}

/** The lines of Markdown's code blocks, and its code in sentences. */
export function codeOf(markdown: string): string[] {
  const fence = /^```[^\n]*\n(.*?)^```$/gms
  const blocks = [...markdown.matchAll(fence)].flatMap(([, text = '']) => text.split('\n'))
  const spans = [...markdown.replace(fence, '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)
  return [...blocks, ...spans.map(text => text.replace(/\s+/g, ' '))]
}

// What stands in examples for something of the reader's.
const placeholders: Readonly<Record<string, string>> = {
  '0x…': '0x52908400098527886E0F7030069857D2E4169EE7',
  DIR: 'gateway',
  ADDRESS: '0x52908400098527886E0F7030069857D2E4169EE7',
  IMAGE: 'oramaos.qcow2',
  IP: '192.0.2.7',
  NAME: 'rqlite',
  SERVICE: 'rqlite',
}

/** The words of each `orama` in a line of shell, without redirections, up to what ends a command. */
export function oramaIn(line: string): string[][] {
  return line
    .split(/[;|()&]|\s#/)
    .map(command => command.trim().split(/\s+/))
    .filter(([program]) => program === 'orama')
    .map(([, ...words]) =>
      words.filter(word => !/^\d?[<>]/.test(word)).map(word => placeholders[word] ?? word),
    )
    .filter(words => words.length > 0)
}
