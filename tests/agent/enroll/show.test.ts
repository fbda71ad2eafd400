import qrcode from 'qrcode-generator'
import t from 'tap'
import { enrollmentPage } from '../../../agent/enroll/page.ts'
import { qrLines } from '../../../agent/enroll/qr.ts'

/** The modules that a camera sees, with the quiet zone of 2; true is dark. */
function matrixOf(lines: readonly string[]): boolean[][] {
  const upper: Readonly<Record<string, boolean>> = { ' ': true, '▄': true, '▀': false, '█': false }
  const lower: Readonly<Record<string, boolean>> = { ' ': true, '▀': true, '▄': false, '█': false }
  return lines.flatMap(line =>
    [upper, lower].map(half =>
      Array.from(line, character => {
        const dark = half[character]
        if (dark === undefined) throw new RangeError(`no such cell: '${character}'`)
        return dark
      }),
    ),
  )
}

for (const url of ['http://192.0.2.7:9999/', 'http://10.0.0.1:9999/', `http://${'x'.repeat(200)}/`])
  t.test(`the QR code of ${url.slice(0, 30)} is that of its URL`, async t => {
    const code = qrcode(0, 'M')
    code.addData(url)
    code.make()
    const size = code.getModuleCount()
    const seen = matrixOf(qrLines(url))
    t.ok(
      seen.every(row => row.length === size + 4),
      'its lines are of one length',
    )
    const inner = seen.slice(2, 2 + size).map(row => row.slice(2, 2 + size))
    const wanted = inner.map((row, y) => row.map((_, x) => code.isDark(y, x)))
    t.same(inner, wanted)
    const quiet = [...seen.slice(0, 2), ...seen.slice(2 + size)].flat()
    t.notOk(quiet.includes(true), 'it stands on light')
    t.notOk(seen.some(row => [...row.slice(0, 2), ...row.slice(-2)].includes(true)))
  })

const shown = { code: 'AB3D5F7H', expires: '2026-11-21T08:15:00Z', version: '0.1.0' }
const page = enrollmentPage(shown)

t.test('the page shows code and time, spelled for screen readers', async t => {
  t.match(page, '>AB3D5F7H<')
  t.match(page, 'aria-label="A B 3 D 5 F 7 H"')
  t.match(page, 'datetime="2026-11-21T08:15:00Z"')
  t.match(page, '<html lang="en">')
  t.match(page, 'name="viewport"')
  t.equal(page.match(/<h1>/g)?.length, 1)
})

t.test('the page runs and loads nothing', async t => {
  t.notMatch(page, /<script|<link|<img|<iframe|<form|\son\w+=|javascript:|src=|url\(|@import/i)
})

for (const field of ['code', 'expires', 'version'] as const)
  t.test(`the page escapes its ${field}`, async t => {
    t.notMatch(enrollmentPage({ ...shown, [field]: '"><script>\'&' }), /<script|"><s|'&/)
  })
