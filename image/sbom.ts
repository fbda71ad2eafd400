import type { DebianPackage } from './debian/packages.ts'
import { runtime } from './rootfs/contents.ts'
import type { BuiltService } from './services.ts'

/**
 * The file `.packages` beside the image: `name version sha256` of each Debian package that files of the image are taken
 * from, then of those that its kernel and services are built from and that are not in it themselves.
 */
export function describePackages(from: {
  readonly taken: readonly DebianPackage[]
  readonly built: readonly DebianPackage[]
}): string {
  return [...from.taken, ...from.built].map(p => `${p.name} ${p.version} ${p.sha256}\n`).join('')
}

/**
 * The file `.services` beside the image: for each service a paragraph of `Key: value` lines (name, module,
 * version, checksum, licence), then `go version -m` of its program and the licences of the modules in it, each line
 * after a tab; an empty line between.
 * Nothing in it depends on where or when it was built.
 */
export function describeServices(services: readonly BuiltService[]): string {
  return services.map(paragraph).join('\n')
}

/**
 * The file `.licenses` beside the image: each licence text once, below the modules and files that it stands in, in
 * the order of their names.
 */
export function describeLicenses(services: readonly BuiltService[]): string {
  const places = new Map<string, Set<string>>()
  for (const { module, version, texts } of services.flatMap(({ licenses }) => licenses))
    for (const [file, text] of Object.entries(texts)) {
      const kept = text.replace(/\r\n/g, '\n').trimEnd()
      places.set(kept, (places.get(kept) ?? new Set()).add(`${module} ${version} ${file}`))
    }
  const parts = [...places].map(([text, of]) => `${[...of].sort().join('\n')}\n\n${text}\n`)
  return parts.sort().join(`\n${'-'.repeat(72)}\n\n`)
}

function paragraph({ name, pin, buildInfo, licenses }: BuiltService): string {
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
  const modules = licenses.map(({ module, version, spdx }) => `\t${module} ${version} ${spdx}\n`)
  return [...head, 'Build-Info:\n', ...info.map(line => `\t${line}\n`), 'Licenses:\n', ...modules].join('')
}
