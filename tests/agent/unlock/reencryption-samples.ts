import { dataOffset } from '../../../agent/disk/luks2.ts'
import type { withMetadata } from './luks-samples.ts'

// The forms of a header in re-encryption, made of one that `beginReencryption` has marked.

export type Edit = Parameters<typeof withMetadata>[1]
export type Metadata = Parameters<Edit>[0]
export const json = (value: unknown) => value as never
export const at = (m: Metadata, ...path: string[]): Metadata =>
  path.reduce<{ [key: string]: Metadata }>((found, name) => found[name] ?? {}, m)

export const mib = 1024 ** 2
export const part = (from: number, size: number | 'dynamic', flag?: string) => ({
  type: 'crypt',
  offset: String(dataOffset + from),
  size: String(size),
  iv_tweak: String(from / 512),
  encryption: 'aes-xts-plain64',
  sector_size: 4096,
  ...(flag === undefined ? {} : { flags: [flag] }),
})

type Part = ReturnType<typeof part>
/** Segments, and which of them have the old key and the new. */
export function place(
  m: Metadata,
  running: readonly Part[],
  keys: { before: string[]; after: string[] },
): void {
  const sector = Number(at(m, 'segments', '0')['sector_size'])
  const all = [...running, part(0, 'dynamic', 'backup-previous'), part(0, 'dynamic', 'backup-final')]
  const entries = all.map((one, id) => [String(id), { ...one, sector_size: sector }])
  m['segments'] = json(Object.fromEntries(entries))
  at(m, 'digests', '0')['segments'] = json(keys.before)
  at(m, 'digests', '1')['segments'] = json(keys.after)
}

export const clean = (m: Metadata) => {
  const running = [part(0, 16 * mib), part(16 * mib, 'dynamic')]
  place(m, running, { before: ['1', '2'], after: ['0', '3'] })
}
export const hot = (m: Metadata) => {
  const zone = part(16 * mib, 16 * mib, 'in-reencryption')
  const running = [part(0, 16 * mib), zone, part(32 * mib, 'dynamic')]
  place(m, running, { before: ['1', '2', '3'], after: ['1', '0', '4'] })
}

export function end(m: Metadata): void {
  place(m, [part(0, 'dynamic')], { before: ['1'], after: ['0', '2'] })
}

export function dropOld(m: Metadata): void {
  at(m, 'digests', '0')['keyslots'] = json([])
  delete m['keyslots']?.['0']
}

/** A key that no data has yet. */
export function unmarked(m: Metadata): void {
  delete m['keyslots']?.['2']
  m['segments'] = json({ '0': part(0, 'dynamic') })
  at(m, 'digests', '0')['segments'] = json(['0'])
  at(m, 'digests', '1')['segments'] = json([])
  delete m['digests']?.['2']
  delete m['config']?.['requirements']
}
