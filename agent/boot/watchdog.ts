import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ioctl } from '../system/libc.ts'
import { describe, log, uptimeS } from '../system/log.ts'

/** Long enough for a slow machine under emulation, short enough for an operator who waits. */
const timeoutS = 30
const feedMs = 5000
/** _IOWR('W', 6, int) of linux/watchdog.h. */
const WDIOC_SETTIMEOUT = 0xc0045706

export type Watchdog = {
  /** `hardware NAME`, `soft` or `none`, for status. */
  readonly kind: string
  /** From now on the supervisor must report too: the machine is reset if it does not for 60 s. */
  readonly expectPasses: () => () => void
}

const passAgeMaxS = 60

/** Where the kernel shows its watchdogs. */
const places = { sysfs: '/sys/class/watchdog', dev: '/dev' }

/**
 * Opens the best watchdog that the machine has and feeds it from the event loop: a loop that stops turning is a
 * reset within 30 s. The kernel's softdog serves where there is no hardware.
 */
export function startWatchdog({ sysfs, dev } = places): Watchdog {
  const device = bestDevice(sysfs)
  if (device === undefined) return { kind: 'none', expectPasses: () => () => undefined }
  // From here on it runs: nothing may fail before it is fed.
  const fd = openSync(join(dev, device.name), 'w')
  setTimeoutOf(fd)
  let lastPassS: number | undefined
  const feed = () => {
    if (isStale(lastPassS, uptimeS())) log('watchdog: the supervisor has stopped; not feeding')
    else feedOnce(fd)
  }
  feed()
  // It guards the loop; it is no reason for the loop to go on.
  setInterval(feed, feedMs).unref()
  return {
    kind: device.soft ? 'soft' : `hardware ${device.identity}`,
    expectPasses: () => {
      const pass = () => {
        lastPassS = uptimeS()
      }
      pass()
      return pass
    },
  }
}

/** Some hardware knows one timeout only; it is fed more often than any of them ends. */
function setTimeoutOf(fd: number): void {
  const timeout = Buffer.alloc(4)
  timeout.writeInt32LE(timeoutS)
  try {
    ioctl(fd, WDIOC_SETTIMEOUT, timeout)
  } catch (cause) {
    log(`watchdog: keeps its own timeout: ${describe(cause)}`)
  }
}

function feedOnce(fd: number): void {
  try {
    writeSync(fd, '\0')
  } catch (cause) {
    log(`watchdog: cannot be fed: ${describe(cause)}`)
  }
}

/** Whether a supervisor that once reported has been silent for too long. */
export function isStale(lastPassS: number | undefined, nowS: number): boolean {
  return lastPassS !== undefined && nowS - lastPassS > passAgeMaxS
}

type Device = { readonly name: string; readonly identity: string; readonly soft: boolean }

/** Hardware before the kernel's softdog, the lowest number first; undefined where there is none. */
export function bestDevice(sysfs: string): Device | undefined {
  let names: string[]
  try {
    names = readdirSync(sysfs).filter(name => /^watchdog\d+$/.test(name))
  } catch {
    return undefined
  }
  const devices = names.sort().map(name => {
    const identity = identityOf(join(sysfs, name))
    return { name, identity, soft: identity === 'Software Watchdog' }
  })
  return devices.find(device => !device.soft) ?? devices[0]
}

/** At most 40 printable characters: status shows it. */
function identityOf(folder: string): string {
  try {
    return readFileSync(join(folder, 'identity'), 'utf8').trim().slice(0, 40)
  } catch {
    return 'unknown'
  }
}
