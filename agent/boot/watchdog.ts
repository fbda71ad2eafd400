import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ioctl } from '../system/libc.ts'
import { log, uptimeS } from '../system/log.ts'

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

/**
 * Opens the best watchdog that the machine has and feeds it from the event loop: a loop that stops turning is a
 * reset within 30 s. The kernel's softdog serves where there is no hardware.
 */
export function startWatchdog(sysfs = '/sys/class/watchdog'): Watchdog {
  const device = bestDevice(sysfs)
  if (device === undefined) return { kind: 'none', expectPasses: () => () => undefined }
  const fd = openSync(`/dev/${device.name}`, 'w')
  const timeout = Buffer.alloc(4)
  timeout.writeInt32LE(timeoutS)
  ioctl(fd, WDIOC_SETTIMEOUT, timeout)
  let lastPassS: number | undefined
  const feed = () => {
    if (lastPassS !== undefined && uptimeS() - lastPassS > passAgeMaxS)
      log('watchdog: the supervisor has stopped; not feeding')
    else writeSync(fd, '\0')
  }
  feed()
  setInterval(feed, feedMs)
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

type Device = { readonly name: string; readonly identity: string; readonly soft: boolean }

function bestDevice(sysfs: string): Device | undefined {
  let names: string[]
  try {
    names = readdirSync(sysfs).filter(name => /^watchdog\d+$/.test(name))
  } catch {
    return undefined
  }
  const devices = names.sort().map(name => {
    const identity = readFileSync(join(sysfs, name, 'identity'), 'utf8').trim()
    return { name, identity, soft: identity === 'Software Watchdog' }
  })
  return devices.find(device => !device.soft) ?? devices[0]
}
