import { join } from 'node:path'
import { buildImage } from './build.ts'
import { thisRelease } from './release.ts'

/** `make image`: builds the image of this checkout; the path of its qcow2 is the only line on standard output. */
try {
  const release = await thisRelease(process.env)
  const qcow2 = await buildImage(release, join(import.meta.dirname, '../dist'), process.env['SERVICES'])
  process.stdout.write(`${qcow2}\n`)
} catch (error) {
  for (let e = error; e instanceof Error; e = e.cause) process.stderr.write(`error: ${e.message}\n`)
  process.exitCode = 1
}
