import { runtime } from './rootfs/contents.ts'
import type { BuiltService } from './services.ts'

/**
 * The file `.services` beside the image: for each service a paragraph of `Key: value` lines (name, module,
 * version, checksum, licence), then `go version -m` of its program, each line after a tab; an empty line between.
 * Nothing in it depends on where or when it was built.
 */
export function describeServices(services: readonly BuiltService[]): string {
  return services.map(paragraph).join('\n')
}

function paragraph({ name, pin, buildInfo }: BuiltService): string {
  if (pin === undefined) return `Service: ${name}\nProgram: ${runtime}\n`
  const fields = {
    Service: name,
    Module: pin.module,
    Version: pin.version,
    Sum: pin.sum,
    License: pin.license.spdx,
    Program: pin.program,
  }
  const head = Object.entries(fields).map(([key, value]) => `${key}: ${value}\n`)
  const info = buildInfo.trimEnd().split('\n')
  return [...head, 'Build-Info:\n', ...info.map(line => `\t${line}\n`)].join('')
}
