import { type GoModule, zipName } from '../go.ts'
import { hashText, madeBy, makefileText } from './text.ts'

/** Buildroot's package of a service, made from its module.json: path below buildroot-external/ → text. */
export function servicePackage(service: string, pin: GoModule): [path: string, text: string][] {
  const name = packageName(service)
  const start = `package/${name}/`
  return [
    [`${start}Config.in`, configIn(name, pin)],
    [`${start}${name}.mk`, makefile(name, pin)],
    [
      `${start}${name}.hash`,
      hashText(Object.entries(pin.sha256).map(([file, hash]) => ({ kind: 'sha256', hash, file }))),
    ],
  ]
}

export function packageName(service: string): string {
  return `orama-${service}`
}

/** The Kconfig symbol of a package, and the start of its variables' names. */
export function symbolOf(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}

function configIn(name: string, { module, program }: GoModule): string {
  return `${madeBy}
config BR2_PACKAGE_${symbolOf(name)}
	bool "${name}"
	depends on BR2_PACKAGE_HOST_GO_TARGET_ARCH_SUPPORTS
	depends on BR2_PACKAGE_HOST_GO_TARGET_CGO_LINKING_SUPPORTS
	help
	  The program ${program} of a service in a sandbox.

	  https://${module.replace(/\/v\d+$/, '')}

comment "${name} needs a toolchain that Go can link with"
	depends on BR2_PACKAGE_HOST_GO_TARGET_ARCH_SUPPORTS
	depends on !BR2_PACKAGE_HOST_GO_TARGET_CGO_LINKING_SUPPORTS
`
}

/** The same flags as image/go.ts; -trimpath and -buildvcs=false are Buildroot's own. */
function makefile(name: string, pin: GoModule): string {
  const link = ['-s', '-w', '-buildid=', ...(pin.cgo ? ['-linkmode', 'external'] : [])]
  const target = pin.package.replace(/^\.\/?/, '')
  const variables = {
    VERSION: pin.version.replace(/^v/, ''),
    SITE: `$(ORAMAOS_GO_PROXY)/${proxyPath(pin.module)}/@v`,
    SOURCE: zipName(pin),
    LICENSE: pin.license.spdx,
    LICENSE_FILES: pin.license.files.join(' '),
    GOMOD: pin.module,
    BUILD_TARGETS: target === '' ? '.' : target,
    BIN_NAME: pin.program,
    ...(pin.tags.length > 0 ? { TAGS: pin.tags.join(',') } : {}),
    LDFLAGS: link.join(' '),
    ...(pin.cgo ? { EXTLDFLAGS: '-static' } : {}),
    GO_ENV: `$(ORAMAOS_GO_ENV) CGO_ENABLED=${pin.cgo ? '1' : '0'}`,
  }
  const prefixed = Object.entries(variables).map(([key, value]) => [`${symbolOf(name)}_${key}`, value])
  return makefileText(
    name,
    Object.fromEntries(prefixed) as Record<string, string>,
    '\n$(eval $(oramaos-golang-package))\n',
  )
}

/** A module's path as Go proxies spell it: file systems may not know capital letters. */
function proxyPath(module: string): string {
  return module.replace(/[A-Z]/g, letter => `!${letter.toLowerCase()}`)
}
