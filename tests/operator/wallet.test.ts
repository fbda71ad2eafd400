import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeKeystore, openKeystore, parseKeystore } from '../../operator/keystore.ts'
import { Line } from '../../operator/terminal.ts'
import { addressOf, publicKeyOf } from '../../protocol/wallet.ts'
import { configFolder, orama, owner, passphrase } from './support.ts'

// The test vectors of Ethereum's Web3 Secret Storage definition.
const known = {
  key: '7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d',
  passphrase: Buffer.from('testpassword'),
  pbkdf2: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
      ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
      kdf: 'pbkdf2',
      kdfparams: {
        c: 262144,
        dklen: 32,
        prf: 'hmac-sha256',
        salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
      },
      mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
  scrypt: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
      ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
      kdf: 'scrypt',
      kdfparams: {
        dklen: 32,
        n: 262144,
        r: 1,
        p: 8,
        salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
      },
      mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
}

for (const kdf of ['pbkdf2', 'scrypt'] as const)
  t.test(`openKeystore() opens what other tools wrote, ${kdf}`, async t => {
    const key = await openKeystore(parseKeystore(JSON.stringify(known[kdf])), known.passphrase)
    t.equal(key.toString('hex'), known.key)
    t.equal(key.buffer.byteLength, 4096, 'outside the heap of V8')
  })

t.test('openKeystore() opens a file that says Crypto, and one with 0x', async t => {
  const { crypto, version } = known.pbkdf2
  const salted = { ...crypto, ciphertext: `0x${crypto.ciphertext}` }
  const text = JSON.stringify({
    Crypto: salted,
    version,
    address: `0x${addressOf(publicKeyOf(Buffer.from(known.key, 'hex')))
      .slice(2)
      .toLowerCase()}`,
  })
  t.equal((await openKeystore(parseKeystore(text), known.passphrase)).toString('hex'), known.key)
})

const key = Buffer.alloc(32, 5)
const cheap = { n: 2, r: 1, p: 1 }
const made: unknown = JSON.parse(await makeKeystore(key, Buffer.from('secret'), cheap))

t.test('makeKeystore() writes what openKeystore() reads, without the key in it', async t => {
  const text = JSON.stringify(made)
  t.same(await openKeystore(parseKeystore(text), Buffer.from('secret')), key)
  t.notOk(text.includes(key.toString('hex')))
})

t.test('openKeystore() refuses a wrong passphrase and an address of another key', async t => {
  const keystore = parseKeystore(JSON.stringify(made))
  await t.rejects(openKeystore(keystore, Buffer.from('Secret')), { message: /wrong passphrase/ })
  const another = { ...keystore, address: owner.slice(2).toLowerCase() }
  await t.rejects(openKeystore(another, Buffer.from('secret')), { message: /its key is that of/ })
})

t.test('openKeystore() refuses an altered ciphertext', async t => {
  const keystore = parseKeystore(JSON.stringify(made))
  const crypto = { ...keystore.crypto, ciphertext: '0'.repeat(64) }
  await t.rejects(openKeystore({ ...keystore, crypto }, Buffer.from('secret')), { message: /altered/ })
})

const scryptWith = (change: object) => ({
  ...known.scrypt,
  crypto: { ...known.scrypt.crypto, kdfparams: { ...known.scrypt.crypto.kdfparams, ...change } },
})
const refused: readonly (readonly [string, unknown])[] = [
  ['version 1', { ...known.scrypt, version: 1 }],
  ['another cipher', { ...known.scrypt, crypto: { ...known.scrypt.crypto, cipher: 'aes-128-cbc' } }],
  ['no KDF', { ...known.scrypt, crypto: { ...known.scrypt.crypto, kdf: 'none' } }],
  ['n that is no power of two', scryptWith({ n: 3 })],
  ['n of 2^30', scryptWith({ n: 2 ** 30 })],
  ['p of 1,000', scryptWith({ p: 1000 })],
  ['a derived key of 16 bytes', scryptWith({ dklen: 16 })],
  ['a salt that is no hex', scryptWith({ salt: 'xyz' })],
  ['nothing', null],
]

for (const [why, value] of refused)
  t.test(`parseKeystore() refuses: ${why}`, async t =>
    t.throws(() => parseKeystore(JSON.stringify(value)), {
      name: 'SyntaxError',
      message: /^Cannot read keystore/,
    }),
  )

t.test('openKeystore() refuses a scrypt that needs more than 1 GiB', async t => {
  const greedy = parseKeystore(JSON.stringify(scryptWith({ n: 2 ** 20, r: 16 })))
  await t.rejects(openKeystore(greedy, known.passphrase), { message: /1 GiB/ })
})

t.test('wallet new makes a wallet that wallet address opens; never over an existing file', async t => {
  const config = await configFolder(t)
  const path = join(config, 'new.json')
  const options = ['--wallet', path, '--passphrase-fd', '3', '--json']
  const one = await orama({ config }, 'wallet', 'new', ...options)
  t.equal(one.code, 0, one.err)
  const { address } = JSON.parse(one.out) as { address: string }
  t.equal((await stat(path)).mode & 0o777, 0o600)
  const shown = await orama({ config }, 'wallet', 'address', ...options)
  t.same(JSON.parse(shown.out), { address })
  const before = await readFile(path, 'utf8')
  const again = await orama({ config }, 'wallet', 'new', ...options)
  t.equal(again.code, 1)
  t.match(again.err, /never overwritten/)
  t.equal(await readFile(path, 'utf8'), before)
  t.same((await readdir(config)).sort(), ['new.json', 'wallet.json'], 'no temporary file is left')
})

t.test('wallet address asks on the terminal without echo', async t => {
  const config = await configFolder(t)
  const asked: unknown[] = []
  const ask = (_: string, options: unknown) => {
    asked.push(options)
    return Promise.resolve(Buffer.from(passphrase))
  }
  const ran = await orama({ config, typed: [], world: { ask } }, 'wallet', 'address')
  t.equal(ran.out, `${owner}\n`)
  t.same(asked, [{ hidden: true }])
})

const answers = [
  ['too short', ['short', 'short'], /less than 8/],
  ['not the same twice', ['long enough', 'long enouhg'], /differ/],
] as const

for (const [why, typed, message] of answers)
  t.test(`wallet new refuses a passphrase: ${why}`, async t => {
    const config = await configFolder(t)
    const ran = await orama({ config, typed }, 'wallet', 'new', '--wallet', join(config, 'new.json'))
    t.equal(ran.code, 2)
    t.match(ran.err, message)
    t.same(await readdir(config), ['wallet.json'])
  })

t.test('without a terminal the passphrase comes from a file descriptor only', async t => {
  const ran = await orama({ config: await configFolder(t) }, 'wallet', 'address')
  t.equal(ran.code, 2)
  t.match(ran.err, /--passphrase-fd/)
})

t.test('a missing or damaged wallet file is exit code 1, with its name', async t => {
  const config = await configFolder(t)
  const missing = await orama({ config }, 'wallet', 'address', '--wallet', join(config, 'none.json'))
  t.equal(missing.code, 1)
  t.match(missing.err, /none\.json/)
  await writeFile(join(config, 'bad.json'), '{"version":3')
  const bad = await orama({ config }, 'wallet', 'address', '--wallet', join(config, 'bad.json'))
  t.equal(bad.code, 1)
  t.match(bad.err, /not JSON/)
})

const typedLines = [
  ['plain', 'abc\r', 'abc', 'abc'],
  ['backspace', 'abd\u007fc\r', 'abc', 'abd\b \bc'],
  ['backspace at the start', '\u007f\u007fa\r', 'a', 'a'],
  ['backspace over two bytes', 'aй\u007fb\r', 'ab', 'a\b \bb'],
  ['the line killed', 'abc\u0015d\r', 'd', 'abc\b \b\b \b\b \bd'],
  ['an escape key', 'a\u001bb\r', 'ab', 'ab'],
] as const

for (const [why, keys, line, echo] of typedLines)
  t.test(`a typed line: ${why}`, async t => {
    let shown = ''
    const typed = new Line(text => (shown += text))
    const ends = [...Buffer.from(keys)].map(byte => typed.type(byte))
    t.equal(ends.at(-1), true)
    t.equal(typed.take().toString(), line)
    t.equal(shown, echo)
    t.equal(typed.take().length, 0, 'and is wiped')
  })

t.test('Ctrl-C ends a typed line', async t => {
  t.throws(() => new Line(() => undefined).type(3), { message: 'Interrupted' })
})

/** Runs `orama wallet address` on a terminal of its own, types at the prompt; what the screen shows. */
function onTerminal(config: string, keys: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const line = `${process.execPath} operator/main.ts wallet address --config ${config}`
    const child = spawn('script', ['-qfec', line, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: 30_000,
    })
    let screen = ''
    child.stdout.on('data', (data: Buffer) => {
      const asked = screen.includes('Passphrase of')
      screen += data.toString()
      if (!asked && screen.includes('Passphrase of')) child.stdin.write(keys)
    })
    child.on('error', reject)
    child.on('close', () => {
      resolve(screen)
    })
  })
}

const noScript = existsSync('/usr/bin/script') ? false : 'script(1) is not installed'

t.test('a passphrase typed on a terminal is taken and never shown', { skip: noScript }, async t => {
  const config = await configFolder(t)
  const good = await onTerminal(config, `${passphrase}x\u007f\r`)
  t.match(good, owner)
  t.notOk(good.includes(passphrase.slice(0, 7)))
  const wrong = await onTerminal(config, 'wrong one\r')
  t.match(wrong, /wrong passphrase/)
  t.notOk(wrong.includes('wrong one'))
})
