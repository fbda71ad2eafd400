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
  for (const what of faultsAt(place, wantedFaults())) {
    if (!['exit', 'hang', 'stop'].includes(what)) continue
    log(`fault: ${what}@${place}`)
    if (what === 'exit') process.exit(1)
    if (what === 'hang') for (;;);
    await new Promise(() => undefined)
  }
}

/** A pause as it is, or of at most 2 s where a test image was told `hurry@PLACE`: nobody waits hours for a test. */
export function hurried(pauseMs: number, place: string, wanted = wantedFaults()): number {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return pauseMs
  return faultsAt(place, wanted).includes('hurry') ? Math.min(pauseMs, 2000) : pauseMs
}

/** What is to go wrong at a place: `exit` of `exit@network`. */
export function faultsAt(place: string, wanted: readonly string[]): readonly string[] {
  return wanted.flatMap(fault => {
    const [what = '', where] = fault.split('@')
    return where === place ? [what] : []
  })
}

/** The faults that a test image was told, such as `exit@network,hurry@clock`; none in other images. */
export function wantedFaults(): readonly string[] {
  if (typeof ORAMA_TEST_BUILD === 'undefined' || !ORAMA_TEST_BUILD) return []
  try {
    const text = readFileSync('/sys/firmware/qemu_fw_cfg/by_name/opt/orama/fault/raw', 'utf8')
    return text.trim().split(',')
  } catch {
    return []
  }
}
