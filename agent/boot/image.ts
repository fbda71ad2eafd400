import { readFile } from 'node:fs/promises'
import * as z from 'zod'

/** What the running image says about itself: /etc/os-release and /etc/orama/image.json. */
export type Image = {
  readonly version: string
  /** Release counter. */
  readonly counter: number
  readonly buildKind: 'development' | 'release'
  readonly test: boolean
  /** Unix seconds: no clock is right that shows less. */
  readonly buildTimeS: number
  readonly ntp: readonly string[]
}

const settingsSchema = z.strictObject({ ntp: z.array(z.string().max(253)).max(8) })

/** Reads both files. Throws SyntaxError if a field is missing: such an image was never built by us. */
export async function readImage(root = '/'): Promise<Image> {
  const fields = parseOsRelease(await readFile(`${root}/etc/os-release`, 'utf8'))
  const settings = settingsSchema.parse(JSON.parse(await readFile(`${root}/etc/orama/image.json`, 'utf8')))
  const field = (name: string) => {
    const value = fields.get(name)
    if (value === undefined) throw new SyntaxError(`Cannot read os-release: it has no ${name}`)
    return value
  }
  return {
    version: field('VERSION_ID'),
    counter: Number(field('IMAGE_VERSION')),
    buildKind: field('ORAMA_BUILD') === 'release' ? 'release' : 'development',
    test: field('ORAMA_TEST') === '1',
    buildTimeS: Number(field('ORAMA_BUILD_TIME')),
    ntp: settings.ntp,
  }
}

/** os-release(5): NAME=value lines, values optionally in double quotes. */
export function parseOsRelease(text: string): Map<string, string> {
  const lines = text.split('\n').filter(line => /^[A-Z0-9_]+=/.test(line))
  return new Map(
    lines.map(line => {
      const at = line.indexOf('=')
      return [line.slice(0, at), line.slice(at + 1).replace(/^"(.*)"$/, '$1')]
    }),
  )
}
