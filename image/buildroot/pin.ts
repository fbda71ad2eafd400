/**
 * The Buildroot that buildroot-external/ is written for and checked with: the newest long-term release. SHA-256
 * of the tar file as its signed announcement has it; the commit is the tag's, for checkouts.
 */
export const pin = {
  version: '2026.02.3',
  commit: '679b9ead7620bbf193620d1ebf56f53c1764d37a',
  tarball: 'https://buildroot.org/downloads/buildroot-2026.02.3.tar.xz',
  sha256: '5a59e7501b0b4ec52c41f4bfa79412320e0b37eae5f719605a258e8d0c6fc7fb',
} as const

/** The ways to a Buildroot, for errors. */
export const waysOut = `BUILDROOT_DIR=<a checkout of tag ${pin.version}>, or BUILDROOT_TARBALL=<its tar file>, or none: then it is downloaded from ${pin.tarball}`
