import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { deriveCertificate } from '../../../services/gateway/certificate.ts'
import { readCertificate } from '../../../services/gateway/certificate-file.ts'

const facts = { cluster: '0a'.repeat(16), from: '2026-11-21T08:00:00Z', names: ['a.test'], addresses: [] }
const made = await deriveCertificate(Buffer.alloc(32, 1), facts)
const other = await deriveCertificate(Buffer.alloc(32, 2), facts)

async function filesOf(t: Test, certificate: string | Buffer, key: string | Buffer) {
  const folder = t.testdir()
  const files = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  await writeFile(files.certificate, certificate)
  await writeFile(files.key, key)
  return files
}

t.test('readCertificate() reads what belongs together, with the chain behind it', async t => {
  const chain = made.certificate + other.certificate
  t.same(await readCertificate(await filesOf(t, chain, made.key)), { ...made, certificate: chain })
})

const encrypted = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  format: 'pem',
  type: 'pkcs8',
  cipher: 'aes-256-cbc',
  passphrase: 'x',
})
const pem = made.certificate
const refused = [
  ['the key of another certificate', pem, other.key, 'RangeError', /is not its key/],
  ['an empty certificate', '', made.key, 'SyntaxError', /cert.pem': it is no certificate/],
  ['an empty key', pem, '', 'SyntaxError', /key.pem': it is no key/],
  ['a certificate cut short', pem.slice(0, 200), made.key, 'SyntaxError', /no certificate/],
  ['a certificate in place of the key', pem, pem, 'SyntaxError', /no key/],
  ['a key in place of the certificate', made.key, made.key, 'SyntaxError', /no certificate/],
  ['a key with a passphrase', pem, encrypted, 'SyntaxError', /no key/],
  ['a file that is too long', 'x'.repeat(65_537), made.key, 'RangeError', /more than 65536 bytes/],
] as const

for (const [why, certificate, key, name, message] of refused)
  t.test(`readCertificate() refuses: ${why}`, async t =>
    t.rejects(readCertificate(await filesOf(t, certificate, key)), { name, message }),
  )

t.test('readCertificate() says which file is missing', async t => {
  const files = await filesOf(t, pem, made.key)
  await t.rejects(readCertificate({ ...files, key: `${files.key}.not` }), { code: 'ENOENT' })
})
