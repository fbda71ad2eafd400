import t from 'tap'
import { progressReader } from '../../../image/buildroot/progress.ts'

const rows: readonly (readonly [what: string, lines: readonly string[], news: readonly string[]])[] = [
  ['a package once', ['>>> zlib 1.3 Extracting', '>>> zlib 1.3 Building'], ['zlib 1.3 (3 of 9)']],
  ['reverse video', ['\x1b[7m>>> zlib 1.3 Building\x1b[27m'], ['zlib 1.3 (3 of 9)']],
  ['two', ['>>> a 1 Building', '>>> b 2 Building'], ['a 1 (3 of 9)', 'b 2 (4 of 9)']],
  ['one without a version', ['>>> skeleton  Extracting'], ['skeleton (3 of 9)']],
  ['one that comes from a folder', ['>>> p custom Syncing from source dir'], ['p custom (3 of 9)']],
  ['no download', ['>>> zlib 1.3 Downloading'], []],
  ['no end', ['>>> zlib 1.3 Installing to target', '>>>   Finalizing target directory'], []],
  ['nothing that packages print', ['checking for gcc', 'echo >>> zlib 1.3 Building', ''], []],
]
for (const [what, lines, news] of rows)
  t.test(`progressReader() tells ${what}`, async t => {
    const read = progressReader({ done: 2, total: 9 })
    t.same(
      lines.map(read).filter(text => text !== undefined),
      news,
    )
  })
