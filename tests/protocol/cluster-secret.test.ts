import t from 'tap'
import { servicePassword } from '../../protocol/cluster-secret.ts'

t.test('servicePassword() is HKDF-SHA256 as an independent program computes it', async t => {
  const expected = 'f6de8c234533d847c2bb687eb85f49f777db86a6b1142e7bdbd50c2cab092a28'
  t.equal(servicePassword(Buffer.alloc(32, 1), 'rqlite'), expected)
})

t.test('servicePassword() differs by service and by secret', async t => {
  const passwords = [
    servicePassword(Buffer.alloc(32, 1), 'rqlite'),
    servicePassword(Buffer.alloc(32, 1), 'olric'),
    servicePassword(Buffer.alloc(32, 2), 'rqlite'),
  ]
  t.equal(new Set(passwords).size, 3)
})

for (const length of [0, 16, 31, 33])
  t.test(`servicePassword() refuses a secret of ${length} bytes`, async t =>
    t.throws(() => servicePassword(Buffer.alloc(length, 1), 'rqlite'), {
      name: 'RangeError',
      message: /need 32/,
    }),
  )
