import t from 'tap'
import { enrollLine as base, playNode } from './node.ts'
import { configFolder, orama } from './support.ts'

const usage: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['without --genesis', base.filter(word => word !== '--genesis'), /--genesis is missing/],
  [
    'without --node-ip',
    base.filter(word => !['--node-ip', '192.0.2.7'].includes(word)),
    /--node-ip is missing/,
  ],
  ['an IPv6 address', base.map(word => word.replace('192.0.2.7', '2001:db8::7')), /no IPv4 address/],
  [
    'a claim word to a network that is only trusted',
    [...base, '--trust-network', '--claim', '9TB3VA'],
    /does not go/,
  ],
  ['a key that is none', [...base, '--operator-key', 'x'], /no WireGuard public key/],
  ['port 0', [...base, '--port', '0'], /number from 1/],
]

for (const [why, line, message] of usage)
  t.test(`enroll refuses a command line: ${why}`, async t => {
    const ran = await orama({ config: await configFolder(t) }, ...line)
    t.equal(ran.code, 2)
    t.match(ran.err, message)
  })

t.test('without a terminal, enroll asks nothing and names the option', async t => {
  const node = await playNode(t)
  const ran = await orama({ config: await configFolder(t), ports: { 9999: node.port } }, ...base)
  t.equal(ran.code, 2)
  t.match(ran.err, /--code CODE/)
})

t.test('a closed port of a node that nobody knows is exit code 4', async t => {
  const ran = await orama({ config: await configFolder(t) }, ...base, '--code', '00000000')
  t.equal(ran.code, 4)
})
