import { closeSync, openSync } from 'node:fs'
import { ioctl } from '../system/libc.ts'

/** _IOW('p', 0x0a, struct rtc_time) of linux/rtc.h. */
const RTC_SET_TIME = 0x4024700a

/** Sets the clock that goes on while the machine is off, in UTC. Throws Error where there is none, or it refuses. */
export function setHardwareClock(timeMs: number, device = '/dev/rtc0'): void {
  const fields = encodeRtcTime(timeMs)
  try {
    const fd = openSync(device, 'r')
    try {
      ioctl(fd, RTC_SET_TIME, fields)
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    throw new Error(`Cannot set hardware clock '${device}'`, { cause })
  }
}

/**
 * struct rtc_time: nine integers, as struct tm of C; the kernel reads neither the days of week and year nor the last.
 * Rounded to the second. Throws RangeError for what is no time.
 */
export function encodeRtcTime(timeMs: number): Buffer {
  const time = new Date(Math.round(timeMs / 1000) * 1000)
  if (Number.isNaN(time.getTime())) throw new RangeError(`Cannot use time ${timeMs}`)
  const values = [
    time.getUTCSeconds(),
    time.getUTCMinutes(),
    time.getUTCHours(),
    time.getUTCDate(),
    time.getUTCMonth(),
    time.getUTCFullYear() - 1900,
  ]
  const fields = Buffer.alloc(36)
  for (const [index, value] of values.entries()) fields.writeInt32LE(value, index * 4)
  return fields
}
