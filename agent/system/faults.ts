import { readFileSync } from 'node:fs'
import { log } from './log.ts'

/** A constant of the bundle: true only in images built with TEST=1, so that ordinary ones lack what is behind it. */
declare const ORAMA_TEST_BUILD: boolean

/**
 * A place where a test image can be told to end (`exit@PLACE`), to hang with a busy event loop (`hang@PLACE`)
 * or never to go on (`stop@PLACE`), by the QEMU fw_cfg entry opt/orama/fault. In other images: nothing.
 */
export async function faultPoint(place: string): Promise<void> {
  // All in one function, with the condition written out: only so does esbuild drop what follows.
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return
  const entry = '/sys/firmware/qemu_fw_cfg/by_name/opt/orama/fault/raw'
  let fault = ''
  try {
    fault = readFileSync(entry, 'utf8').trim()
  } catch {
    return
  }
  const [what, where] = fault.split('@')
  if (where !== place) return
  log(`fault: ${fault}`)
  if (what === 'exit') process.exit(1)
  if (what === 'hang') for (;;);
  if (what === 'stop') await new Promise(() => undefined)
}
