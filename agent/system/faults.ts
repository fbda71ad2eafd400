import { readFileSync } from 'node:fs'
import { log } from './log.ts'

/** A constant of the bundle: true only in images built with TEST=1, so that ordinary ones lack what is behind it. */
declare const ORAMA_TEST_BUILD: boolean

/**
 * A place where a test image can be told to end (`exit@PLACE`), to hang with a busy event loop (`hang@PLACE`)
 * or never to go on (`stop@PLACE`), by the QEMU fw_cfg entry opt/orama/fault. In other images: nothing.
 */
export async function faultPoint(place: string): Promise<void> {
  // The condition is written out in each function: only so does esbuild drop what follows.
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return
  const [what, where] = wantedFault().split('@')
  if (where !== place) return
  log(`fault: ${what ?? ''}@${where}`)
  if (what === 'exit') process.exit(1)
  if (what === 'hang') for (;;);
  if (what === 'stop') await new Promise(() => undefined)
}

/** A pause as it is, or of at most 2 s where a test image was told `hurry@PLACE`: nobody waits hours for a test. */
export function hurried(pauseMs: number, place: string): number {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return pauseMs
  return wantedFault() === `hurry@${place}` ? Math.min(pauseMs, 2000) : pauseMs
}

/** The fault that a test image was told, such as `exit@network`; empty for none, and in other images. */
export function wantedFault(): string {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return ''
  try {
    return readFileSync('/sys/firmware/qemu_fw_cfg/by_name/opt/orama/fault/raw', 'utf8').trim()
  } catch {
    return ''
  }
}
