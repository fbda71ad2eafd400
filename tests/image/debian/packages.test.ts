import t from 'tap'
import { parseCandidates } from '../../../image/debian/packages.ts'

const fields = {
  Package: 'wireguard-tools',
  Version: '1.0.20210914-3+b1',
  Filename: 'pool/main/w/wireguard/wireguard-tools_1.0.20210914-3+b1_amd64.deb',
  SHA256: 'ab'.repeat(32),
}

function stanza(changes: Record<string, string | undefined> = {}): string {
  const all: Record<string, string | undefined> = { ...fields, ...changes }
  return Object.entries(all)
    .flatMap(([name, value]) => (value === undefined ? [] : `${name}: ${value}\n`))
    .join('')
}

for (const name of Object.keys(fields))
  t.test(`parseCandidates() refuses a stanza without ${name}`, async t =>
    t.throws(() => parseCandidates(stanza({ [name]: undefined })), {
      name: 'SyntaxError',
      message: new RegExp(`no ${name} in`),
    }),
  )

const refused = [
  ['a second stanza without a hash', `${stanza()}\n${stanza({ SHA256: undefined })}`],
  [
    'a hash that stands in a description only',
    stanza({ SHA256: undefined, Description: `x\n SHA256: ${'cd'.repeat(32)}` }),
  ],
  ['a field whose name only ends alike', stanza({ SHA256: undefined, 'X-SHA256': 'ab'.repeat(32) })],
  ['a field without a value', `${stanza({ Version: undefined })}Version:\n`],
  ['what is no index', '<html>not found</html>'],
] as const
for (const [why, text] of refused)
  t.test(`parseCandidates() refuses ${why}`, async t =>
    t.throws(() => parseCandidates(text), { name: 'SyntaxError' }),
  )

t.test('parseCandidates() reads each stanza', async t => {
  const candidates = parseCandidates(`${stanza()}\n\n${stanza({ Package: 'nftables' })}\n`)
  t.same(
    candidates.map(c => c.name),
    ['wireguard-tools', 'nftables'],
  )
  t.match(candidates[0], { version: fields.Version, sha256: fields.SHA256, filename: fields.Filename })
})

t.test('parseCandidates() finds nothing in nothing', async t => t.same(parseCandidates('\n\n'), []))
