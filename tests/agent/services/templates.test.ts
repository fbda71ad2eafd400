import t from 'tap'
import { fill, fillSecret, type ListTemplate, visibleValues } from '../../../agent/services/templates.ts'

const open = {
  nodeId: 'n1',
  cluster: 'c1',
  wireguardAddress: '10.0.0.1',
  libp2pId: '12D3',
  dataDir: '/data',
  configDir: '/run/config',
}
const secrets = {
  password: Buffer.from('pass'),
  clusterKey: Buffer.from('0a0b'),
  libp2pKey: Buffer.from('CAES'),
}
const two = { itemAddress: '10.0.0.2', itemNodeId: 'n2', itemLibp2pId: '12D32' }
const three = { itemAddress: '10.0.0.3', itemNodeId: 'n3', itemLibp2pId: '12D33' }
const sources = { peers: [two, three], members: [two], nameservers: [] }

t.test('fill() replaces every placeholder', async t =>
  t.equal(fill('${nodeId}=${wireguardAddress}:1 ${nodeId} $nodeId {}', open), 'n1=10.0.0.1:1 n1 $nodeId {}'),
)
for (const text of ['${password}', '${}', '${constructor}', '${ nodeId }', '${__proto__}'])
  t.test(`fill() refuses ${text}`, async t => t.throws(() => fill(text, open), { name: 'RangeError' }))

t.test('fillSecret() replaces both kinds, wherever they stand', async t =>
  t.equal(fillSecret('${password}é${nodeId}${clusterKey}', open, secrets).toString(), 'passén10a0b'),
)
t.test('fillSecret() knows the password of a service that is required', async t => {
  const more = { ...secrets, 'password:rqlite': Buffer.from('rq') }
  t.equal(fillSecret('${password:rqlite}/${password}', open, more).toString(), 'rq/pass')
})
for (const text of ['${other}', '${}', '${constructor}', '${password:rqlite}'])
  t.test(`fillSecret() refuses ${text}`, async t =>
    t.throws(() => fillSecret(text, open, secrets), { name: 'RangeError' }),
  )
t.test('a value with a placeholder in it is not filled again', async t => {
  t.equal(fill('${nodeId}', { ...open, nodeId: '${cluster}' }), '${cluster}')
  t.equal(fillSecret('${nodeId}', { ...open, nodeId: '${password}' }, secrets).toString(), '${password}')
})

const list = (fields: Partial<ListTemplate>): ListTemplate => {
  return { of: 'peers', each: '${itemAddress}', separator: '', start: '', end: '', ...fields }
}
const lists = [
  ['items with a separator', list({ separator: ',' }), '10.0.0.2,10.0.0.3'],
  ['start and end', list({ start: '-join=', end: ';', separator: ',' }), '-join=10.0.0.2,10.0.0.3;'],
  ['open values', list({ each: '${itemNodeId}.${cluster} ', start: '${nodeId}: ' }), 'n1: n2.c1 n3.c1 '],
  ['the members', list({ of: 'members', each: '${itemLibp2pId}' }), '12D32'],
  ['nothing at all for none', list({ of: 'nameservers', start: 'forward ', end: ' {}' }), ''],
  ['a start alone for items of nothing', list({ each: '', start: '-expect' }), '-expect'],
] as const
for (const [what, template, expected] of lists)
  t.test(`a list has ${what}`, async t =>
    t.equal(visibleValues({ own: template }, open, sources)['own'], expected),
  )

t.test('a field that an item has not is refused', async t =>
  t.throws(() => visibleValues({ own: list({}) }, open, { ...sources, peers: [{}] }), { name: 'RangeError' }),
)

t.test('what an object has beyond the open values is not visible', async t => {
  const more = { ...open, password: 'x' }
  t.same(visibleValues({}, more, sources), open)
})
