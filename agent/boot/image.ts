import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { version } from '../../protocol/fields.ts'

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

/**
 * Reads both files. Throws SyntaxError or ZodError if a field is missing or makes no sense: such an image was
 * never built by us.
 */
export async function readImage(root = '/'): Promise<Image> {
  const fields = parseOsRelease(await readFile(`${root}/etc/os-release`, 'utf8'))
  const settings = settingsSchema.parse(JSON.parse(await readFile(`${root}/etc/orama/image.json`, 'utf8')))
  const field = (name: string) => {
    const value = fields.get(name)
    if (value === undefined) throw new SyntaxError(`Cannot read os-release: it has no ${name}`)
    return value
  }
  const count = (name: string) => {
    const value = field(name)
    if (!/^\d{1,15}$/.test(value)) throw new SyntaxError(`Cannot read os-release: ${name} is no number`)
    return Number(value)
  }
  return {
    version: version.parse(field('VERSION_ID')),
    counter: count('IMAGE_VERSION'),
    buildKind: field('ORAMA_BUILD') === 'release' ? 'release' : 'development',
    test: field('ORAMA_TEST') === '1',
    buildTimeS: count('ORAMA_BUILD_TIME'),
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
