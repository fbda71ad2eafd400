import type { GoModule } from '../../image/go.ts'

/** The pin of a service whose program nobody builds. */
export const sampleModule: GoModule = {
  module: 'example.org/p',
  version: 'v1.0.0',
  sum: `h1:${'A'.repeat(43)}=`,
  package: '.',
  program: 'p',
  cgo: false,
  tags: [],
  license: { spdx: 'MIT', files: ['LICENSE'] },
  sha256: { 'v1.0.0.zip': '0'.repeat(64), LICENSE: '0'.repeat(64) },
}
