import t from 'tap'
import { staleNames } from '../../qemu/namespace.ts'
import { dhcpArguments, placeOf } from '../../qemu/network.ts'
import { splitConfig } from '../../qemu/wireguard.ts'

t.test('placeOf() gives every machine a MAC and an address of its own', async t => {
  t.same(placeOf(1), { mac: '52:54:00:4f:52:01', address: '192.0.2.101' })
  t.same(placeOf(99), { mac: '52:54:00:4f:52:63', address: '192.0.2.199' })
  for (const number of [0, -1, 100]) t.throws(() => placeOf(number), { name: 'RangeError' })
})

t.test('dhcpArguments() names lease, time server and what the caller adds', async t => {
  const line = dhcpArguments({
    folder: '/f',
    names: { 'a.test': '192.0.2.9' },
    dnsmasqArguments: ['--x'],
  }).join(' ')
  for (const part of [
    '--dhcp-host=52:54:00:4f:52:63,192.0.2.199,2m',
    '--dhcp-option=option:ntp-server,192.0.2.1',
    '--dhcp-leasefile=/f/leases',
    '--host-record=a.test,192.0.2.9',
    '--conf-file=/dev/null',
  ])
    t.ok(line.includes(part), part)
  t.match(line, / --x$/)
})

t.test('staleNames() lists only our namespaces of processes that are gone', async t => {
  const list =
    'orama-10-1 (id: 0)\norama-10-2\norama-11-1\nother\norama-x-1\norama-10-1-more\nmy-orama-10-1\n'
  t.same(
    staleNames(list, pid => pid === '11'),
    ['orama-10-1', 'orama-10-2'],
  )
  t.same(
    staleNames('', () => false),
    [],
  )
})

t.test('splitConfig() keeps what wg takes, gives the addresses, and drops commands', async t => {
  const text = [
    '[Interface]',
    'PrivateKey = aaa=',
    'Address = 10.0.0.254/24, 10.1.0.1/32',
    'PostUp = rm -rf /',
    'DNS=1.1.1.1',
    '[Peer]',
    'PublicKey = bbb=',
    'AllowedIPs = 10.0.0.1/32',
    '',
  ].join('\n')
  t.same(splitConfig(text), {
    addresses: ['10.0.0.254/24', '10.1.0.1/32'],
    config: '[Interface]\nPrivateKey = aaa=\n[Peer]\nPublicKey = bbb=\nAllowedIPs = 10.0.0.1/32\n',
  })
})
