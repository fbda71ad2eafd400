import t from 'tap'
import { lineBytesMax, lineSplitter } from '../../../agent/services/lines.ts'

const cases = [
  ['two lines', ['a\nb\n'], ['a', 'b']],
  ['a line in three pieces', ['a', 'b', 'c\n'], ['abc']],
  ['empty lines', ['\n\n'], ['', '']],
  ['a line without an end', ['a\nb'], ['a', 'b']],
  ['a carriage return', ['a\r\n'], ['a']],
  ['a tab stays', ['a\tb\n'], ['a\tb']],
  ['the terminal is not coloured', ['\x1b[31mred\n'], ['\\x1b[31mred']],
  ['zero bytes and bells', ['\0\x07\n'], ['\\x00\\x07']],
  ['text that runs backwards', ['\u202eabc\n'], ['\\u202eabc']],
  ['lines of Unicode inside', ['a\u2028b\n'], ['a\\u2028b']],
  ['a character in two pieces', [Buffer.from([0xc3]), Buffer.from([0xa4, 10])], ['ä']],
  ['bytes that are no text', [Buffer.from([0xff, 0xfe, 10])], ['\ufffd\ufffd']],
  ['an odd one among plain ones', ['a\nb\x1b\nc\n'], ['a', 'b\\x1b', 'c']],
  ['Unicode among plain ones', ['a\nä\u202e\nc\n'], ['a', 'ä\\u202e', 'c']],
  ['empty lines among others', ['a\n\n\nb\n\n'], ['a', '', '', 'b', '']],
  ['a line begun behind others', ['a\nb\nc', 'd\ne\n'], ['a', 'b', 'cd', 'e']],
  [
    'long ones among others',
    [`a\n${'x'.repeat(lineBytesMax)}y\nb\n`],
    ['a', `${'x'.repeat(lineBytesMax)} …`, 'b'],
  ],
  [
    'a long one that is odd',
    [`a\n\x1b${'x'.repeat(lineBytesMax)}\nb\n`],
    ['a', `\\x1b${'x'.repeat(lineBytesMax - 1)} …`, 'b'],
  ],
  ['as long as allowed', [`${'x'.repeat(lineBytesMax)}\n`], ['x'.repeat(lineBytesMax)]],
  ['one byte longer', [`${'x'.repeat(lineBytesMax)}y\nz\n`], [`${'x'.repeat(lineBytesMax)} …`, 'z']],
] as const
for (const [why, chunks, lines] of cases)
  t.test(`lines: ${why}`, async t => {
    const splitter = lineSplitter()
    const found = chunks.flatMap(chunk => splitter.push(Buffer.from(chunk as string)))
    t.same([...found, ...splitter.end()], lines)
  })

t.test('an endless line is told once, and what follows its end is read again', async t => {
  const splitter = lineSplitter()
  const found = Array.from({ length: 100 }, () => splitter.push(Buffer.alloc(100_000, 'x'))).flat()
  t.same(found, [`${'x'.repeat(lineBytesMax)} …`])
  t.same(splitter.push(Buffer.from('\nnext\n')), ['next'])
  t.same(splitter.end(), [])
})

const dropped = [
  ['whole lines', 'a\n', 'b\nc\n', 'd\n', 2, ['a', 'd']],
  ['the line that it cuts, with what follows of it', 'a\n', 'b\nc', 'c\nd\n', 2, ['a', 'd']],
  ['the line that it goes on with', 'a\nb', 'b\n', 'd\n', 1, ['a', 'd']],
  ['a piece of an endless line', 'a\nb', 'bbbb', 'bb\nd\n', 1, ['a', 'd']],
  ['binary data without lines', '', '\x00\xff', '\n\n', 1, ['']],
] as const
for (const [what, before, gone, after, count, wanted] of dropped)
  t.test(`drop() counts and drops ${what}`, async t => {
    const splitter = lineSplitter()
    const lines = splitter.push(Buffer.from(before))
    t.equal(splitter.drop(Buffer.from(gone, 'latin1')), count)
    t.same([...lines, ...splitter.push(Buffer.from(after)), ...splitter.end()], wanted)
  })

t.test('an endless line that is dropped piece by piece counts once', async t => {
  const splitter = lineSplitter()
  const counts = ['xx', 'xx', 'xx\n', 'y\n'].map(piece => splitter.drop(Buffer.from(piece)))
  t.same(counts, [1, 0, 0, 1])
})
