import { join } from 'node:path'
import t from 'tap'
import { encodeRtcTime, setHardwareClock } from '../../../agent/network/hardware-clock.ts'

const encoded = [
  ['a usual time', '2026-11-21T08:09:10.000Z', [10, 9, 8, 21, 10, 126]],
  ['a leap day', '2028-02-29T23:59:59.000Z', [59, 59, 23, 29, 1, 128]],
  ['half a second before a new year: the new year', '2026-12-31T23:59:59.500Z', [0, 0, 0, 1, 0, 127]],
  ['after 2038', '2040-01-01T00:00:00.000Z', [0, 0, 0, 1, 0, 140]],
] as const
for (const [what, time, wanted] of encoded)
  t.test(`struct rtc_time of ${what}`, async t => {
    const fields = encodeRtcTime(Date.parse(time))
    t.equal(fields.length, 36)
    const values = Array.from({ length: 9 }, (_, index) => fields.readInt32LE(index * 4))
    t.same(values, [...wanted, 0, 0, 0])
  })

const message = /^Cannot set hardware clock /
const refused = [
  ['no such device', 'nothing', 0, { name: 'Error', message, cause: { code: 'ENOENT' } }],
  ['a file that is no clock', 'file', 0, { name: 'Error', message, cause: { code: 'ENOTTY' } }],
  ['no time', 'file', NaN, { name: 'RangeError' }],
] as const
for (const [why, name, timeMs, error] of refused)
  t.test(`setHardwareClock() refuses: ${why}`, async t => {
    const folder = t.testdir({ file: '' })
    t.throws(() => {
      setHardwareClock(timeMs, join(folder, name))
    }, error)
  })
