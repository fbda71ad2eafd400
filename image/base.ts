import type { Kernel } from './kernel/build.ts'
import type { BuiltService } from './services.ts'

/** Where everything comes from that is not made by `image/` itself. What follows does not know which base it is. */
export type Base = {
  /** Programs and libraries: puts them below an empty folder, or says where they lie already. */
  readonly files: (scratch: string) => Promise<string>
  /** The folder of systemd-bootx64.efi and linuxx64.efi.stub, given what `files` said. */
  readonly efi: (files: string) => string
  /** Changes when they do. */
  readonly key: string
  /** The file `.packages` beside the image: one line a package. */
  readonly packages: string
  readonly kernel: Kernel
  readonly services: readonly BuiltService[]
  /** Folder with the agent's snapshot: what becomes of /usr/lib/orama. */
  readonly agent: string
  /** Node, not necessarily stripped. */
  readonly node: string
}

export type BaseName = 'debian' | 'buildroot'

/** What `BASE` says; Debian if it says nothing. Throws RangeError. */
export function baseName(text: string | undefined): BaseName {
  switch (text) {
    case undefined:
    case '':
    case 'debian':
      return 'debian'
    case 'buildroot':
      return 'buildroot'
    default:
      throw new RangeError(`Cannot use BASE '${text}': there are debian and buildroot`)
  }
}
