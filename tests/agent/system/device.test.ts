import t from 'tap'
import { decodeDevice, deviceNumber } from '../../../agent/system/device.ts'

const packed = [
  ['the first disk by virtio', 0xfc00n, { major: 252, minor: 0 }],
  ['the second mapped device', 0xfd01n, { major: 253, minor: 1 }],
  ['a partition beyond the old numbers', 0x10010345n, { major: 259, minor: 0x10045 }],
  ['a major beyond twelve bits', 0x1000_0000_0102n, { major: 0x1001, minor: 2 }],
] as const
for (const [what, value, number] of packed)
  t.test(`a device's number: ${what}`, async t => t.same(decodeDevice(value), number))

t.test('what is no block device is refused', async t => {
  t.throws(() => deviceNumber('/dev/null'), { name: 'TypeError', message: /not a block device/ })
  t.throws(() => deviceNumber(t.testdirName), { code: 'ENOENT' })
})
