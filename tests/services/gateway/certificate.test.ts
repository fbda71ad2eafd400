import { execFile, execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import {
  type Certificate,
  type CertificateFacts,
  deriveCertificate,
  fingerprintOf,
} from '../../../services/gateway/certificate.ts'
import { serving } from '../../http/serving.ts'

const secret = () => Buffer.alloc(32, 1)
const facts: CertificateFacts = {
  cluster: '0a'.repeat(16),
  from: '2026-11-21T08:00:00Z',
  names: ['gateway.test', 'gateway.example'],
  addresses: ['127.0.0.1', '10.0.0.1'],
}
const made = await deriveCertificate(secret(), facts)

t.test('the same key and facts make the same bytes, on every node and in every version', async t => {
  const again = await deriveCertificate(secret(), facts)
  t.equal(again.certificate, made.certificate)
  t.ok(again.key.equals(made.key))
  // A change here changes what all invites of all clusters pin.
  t.equal(made.fingerprint, 'ef0139a422edc68e51a1683be87ad82484a18fa0f6c2e88bd5206d4e43be8a63')
})

t.test('names in another order, or twice, make the same certificate', async t => {
  const names = ['gateway.example', 'gateway.test', 'gateway.example']
  const addresses = [...facts.addresses].reverse()
  t.equal((await deriveCertificate(secret(), { ...facts, names, addresses })).fingerprint, made.fingerprint)
})

const others: readonly (readonly [string, Buffer, Partial<CertificateFacts>])[] = [
  ['key', Buffer.alloc(32, 2), {}],
  ['cluster', secret(), { cluster: '0b'.repeat(16) }],
  ['time', secret(), { from: '2026-11-21T08:00:01Z' }],
  ['name', secret(), { names: ['other.test'] }],
  ['address', secret(), { addresses: ['127.0.0.2'] }],
]
for (const [what, other, change] of others)
  t.test(`another ${what} makes another certificate, and another serial number`, async t => {
    const { certificate, fingerprint } = await deriveCertificate(other, { ...facts, ...change })
    t.not(fingerprint, made.fingerprint)
    t.not(new X509Certificate(certificate).serialNumber, new X509Certificate(made.certificate).serialNumber)
  })

t.test('node:crypto reads it as what was asked for', async t => {
  const certificate = new X509Certificate(made.certificate)
  t.ok(certificate.verify(certificate.publicKey), 'signed by its own key')
  t.ok(certificate.checkPrivateKey(createPrivateKey(made.key)))
  t.equal(certificate.subject, `CN=OramaOS gateway ${facts.cluster}`)
  t.equal(certificate.issuer, certificate.subject)
  t.equal(certificate.ca, false)
  t.equal(certificate.validFrom, 'Nov 21 08:00:00 2026 GMT')
  t.equal(certificate.validTo, 'Nov 16 08:00:00 2046 GMT')
  t.match(certificate.serialNumber, /^01[0-9A-F]{30}$/)
  t.same(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'for TLS servers')
  t.equal(fingerprintOf(certificate.raw), made.fingerprint)
  t.equal(certificate.checkHost('gateway.test'), 'gateway.test')
  t.equal(certificate.checkHost('www.gateway.test'), undefined)
  t.equal(certificate.checkIP('10.0.0.1'), '10.0.0.1')
  t.equal(certificate.checkIP('10.0.0.2'), undefined)
})

t.test('a certificate that runs out after 2049 is one too', async t => {
  const late = await deriveCertificate(secret(), { ...facts, from: '2035-01-01T00:00:00Z' })
  const certificate = new X509Certificate(late.certificate)
  t.equal(certificate.validTo, 'Dec 27 00:00:00 2054 GMT')
  t.ok(certificate.verify(certificate.publicKey))
})

const refused: readonly (readonly [string, Buffer, object, string])[] = [
  ['a secret of 31 bytes', Buffer.alloc(31), {}, 'RangeError'],
  ['a secret of 33 bytes', Buffer.alloc(33), {}, 'RangeError'],
  ['neither name nor address', secret(), { names: [], addresses: [] }, 'RangeError'],
  ['no cluster', secret(), { cluster: '' }, 'ZodError'],
  ['a time with fractions', secret(), { from: '2026-11-21T08:00:00.5Z' }, 'ZodError'],
  ['a name with a newline', secret(), { names: ['a\nb'] }, 'ZodError'],
  ['a name with a nul', secret(), { names: ['a\0.test'] }, 'ZodError'],
  ['an address as a name', secret(), { addresses: ['gateway.test'] }, 'ZodError'],
  ['an address with leading zeros', secret(), { addresses: ['10.0.0.01'] }, 'ZodError'],
  ['17 names', secret(), { names: Array.from({ length: 17 }, (_, at) => `n${at}.test`) }, 'ZodError'],
  ['a fact too many', secret(), { validity: '99 years' }, 'ZodError'],
]
for (const [why, key, change, name] of refused)
  t.test(`deriveCertificate() refuses: ${why}`, async t =>
    t.rejects(deriveCertificate(key, { ...facts, ...change }), { name }),
  )

/** Why to leave a test out, if so. */
const lacks = (program: string) => {
  try {
    execFileSync('which', [program], { stdio: 'ignore' })
    return false
  } catch {
    return `no ${program} here`
  }
}

async function fileOf(t: Test, { certificate }: Certificate): Promise<string> {
  const path = join(t.testdir(), 'certificate.pem')
  await writeFile(path, certificate)
  return path
}

t.test('openssl reads and verifies it', { skip: lacks('openssl') }, async t => {
  const path = await fileOf(t, made)
  const openssl = async (...args: string[]) => (await promisify(execFile)('openssl', args)).stdout
  const shown = await openssl('x509', '-in', path, '-noout', '-text')
  t.match(shown, 'Version: 3 (0x2)')
  t.match(shown, 'Signature Algorithm: ecdsa-with-SHA256')
  t.match(shown, /Basic Constraints: critical\s+CA:FALSE/)
  t.match(shown, /Key Usage: critical\s+Digital Signature\n/)
  t.match(shown, 'DNS:gateway.example, DNS:gateway.test, IP Address:10.0.0.1, IP Address:127.0.0.1')
  t.match(await openssl('verify', '-x509_strict', '-CAfile', path, path), ': OK')
  const print = await openssl('x509', '-in', path, '-noout', '-fingerprint', '-sha256')
  t.equal(print.trim().split('=')[1]?.replaceAll(':', '').toLowerCase(), made.fingerprint)
})

const hello = { 'GET /': { handle: () => ({ body: 'hello' }) } }

t.test('curl trusts the server that has it, and no other', { skip: lacks('curl') }, async t => {
  const { port } = await serving(t, hello, { tls: made })
  const other = await serving(t, hello, { tls: await deriveCertificate(Buffer.alloc(32, 2), facts) })
  const path = await fileOf(t, made)
  const curl = (to: number, host: string) =>
    promisify(execFile)('curl', [
      ...['--silent', '--show-error', '--max-time', '20', '--noproxy', '*', '--cacert', path],
      ...['--connect-to', `::127.0.0.1:${to}`, `https://${host}/`],
    ])
  t.equal((await curl(port, 'gateway.test')).stdout, 'hello')
  t.equal((await curl(port, '10.0.0.1')).stdout, 'hello')
  await t.rejects(curl(port, 'other.test'), { message: /no alternative certificate subject name/ })
  await t.rejects(curl(other.port, 'gateway.test'), { message: /SSL certificate problem/ })
})

const browsersOnly = 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:rsa_pkcs1_sha256'
t.test(
  'a client that knows no Ed25519, as browsers, agrees on a signature',
  { skip: lacks('openssl') },
  async t => {
    const { port } = await serving(t, hello, { tls: made })
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-sigalgs', browsersOnly, '-brief']
    const client = promisify(execFile)('openssl', args, { timeout: 20_000 })
    client.child.stdin?.end()
    t.match((await client).stderr, /Protocol version: TLSv1.3/)
  },
)

/** What an invite's holder does: trusts this one certificate, whoever says what of it. */
async function askPinned(port: number, fingerprint: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { raw } = socket.getPeerCertificate()
  if (fingerprintOf(raw) !== fingerprint) {
    socket.destroy()
    throw new Error('another certificate')
  }
  socket.end('GET / HTTP/1.1\r\nhost: gateway\r\n\r\n')
  return text(socket)
}

t.test('a client that pins the fingerprint reaches this gateway and no other', async t => {
  const { port } = await serving(t, hello, { tls: made })
  const other = await serving(t, hello, { tls: await deriveCertificate(Buffer.alloc(32, 2), facts) })
  t.match(await askPinned(port, made.fingerprint), /^HTTP\/1.1 200 /)
  await t.rejects(askPinned(other.port, made.fingerprint), { message: 'another certificate' })
})
