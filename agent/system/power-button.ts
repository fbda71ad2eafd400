import { closeSync, constants, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** struct input_event of linux/input.h on 64-bit machines: time (16 bytes), type, code, value. */
const eventBytes = 24
const typeKey = 1
const keyPower = 116
const lookMs = 500

/**
 * Calls back once when the machine's power button is pressed, which is how a hypervisor asks for an orderly end.
 * Nothing where there is none. The device is looked at twice a second: a blocking read would hold a thread.
 */
export function onPowerButton(pressed: () => void, sysfs = '/sys/class/input'): void {
  const device = powerButton(sysfs)
  if (device === undefined) return
  const fd = openSync(join('/dev/input', device), constants.O_RDONLY | constants.O_NONBLOCK)
  const buffer = Buffer.alloc(eventBytes * 16)
  const timer = setInterval(() => {
    if (!isPress(buffer.subarray(0, readSome(fd, buffer)))) return
    clearInterval(timer)
    closeSync(fd)
    pressed()
  }, lookMs)
}

/** Whether one of these input events is the power key going down. */
export function isPress(events: Buffer): boolean {
  for (let at = 0; at + eventBytes <= events.length; at += eventBytes)
    if (
      events.readUInt16LE(at + 16) === typeKey &&
      events.readUInt16LE(at + 18) === keyPower &&
      events.readInt32LE(at + 20) === 1
    )
      return true
  return false
}

function powerButton(sysfs: string): string | undefined {
  try {
    const devices = readdirSync(sysfs).filter(name => /^event\d+$/.test(name))
    return devices.find(
      name => readFileSync(join(sysfs, name, 'device/name'), 'utf8').trim() === 'Power Button',
    )
  } catch {
    return undefined
  }
}

/** What there is to read now; 0 bytes where there is nothing (EAGAIN). */
function readSome(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer)
  } catch {
    return 0
  }
}
