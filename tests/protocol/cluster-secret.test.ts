import t from 'tap'
import { serviceIdentity, serviceKey, servicePassword } from '../../protocol/cluster-secret.ts'

const one = Buffer.alloc(32, 1)
const two = Buffer.alloc(32, 2)
const nodeId = 'naaaaaaaaaaaaaaaa'

const derived = [
  [
    'servicePassword()',
    () => servicePassword(one, 'rqlite'),
    'f6de8c234533d847c2bb687eb85f49f777db86a6b1142e7bdbd50c2cab092a28',
  ],
  [
    'serviceKey()',
    () => serviceKey(one, 'kubo').toString('hex'),
    '77a38a743ed9f23919067dec6b634ca77e8343c57e49b061f0189ff6e68f1bea',
  ],
  [
    'serviceIdentity()',
    () => serviceIdentity(one, { service: 'kubo', nodeId }).toString('hex'),
    '9cb98bda202ef486775831cb17ea89ceeab9f83f127f8b95a06c6039177da2ea',
  ],
] as const
for (const [what, make, expected] of derived)
  t.test(`${what} is HKDF-SHA256 as an independent program computes it`, async t => t.equal(make(), expected))

t.test('what is derived differs by purpose, service, node and secret', async t => {
  const hex = (bytes: Buffer) => bytes.toString('hex')
  const all = [
    ...[one, two].flatMap(secret => ['rqlite', 'kubo'].map(name => servicePassword(secret, name))),
    ...[one, two].flatMap(secret => ['rqlite', 'kubo'].map(name => hex(serviceKey(secret, name)))),
    hex(serviceIdentity(one, { service: 'kubo', nodeId })),
    hex(serviceIdentity(two, { service: 'kubo', nodeId })),
    hex(serviceIdentity(one, { service: 'rqlite', nodeId })),
    hex(serviceIdentity(one, { service: 'kubo', nodeId: 'nbbbbbbbbbbbbbbbb' })),
  ]
  t.equal(new Set(all).size, all.length)
})

for (const length of [0, 16, 31, 33]) {
  const secret = Buffer.alloc(length, 1)
  const uses = {
    servicePassword: () => servicePassword(secret, 'rqlite'),
    serviceKey: () => serviceKey(secret, 'rqlite'),
    serviceIdentity: () => serviceIdentity(secret, { service: 'rqlite', nodeId }),
  }
  for (const [name, use] of Object.entries(uses))
    t.test(`${name}() refuses a secret of ${length} bytes`, async t =>
      t.throws(use, { name: 'RangeError', message: /need 32/ }),
    )
}
