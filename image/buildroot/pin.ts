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

/**
 * Node's source, for the option that compiles it. Its SHA-256 as the Node.js project's SHASUMS256.txt has it; a unit
 * test fails when the lock file has another version.
 */
export const nodeSource = {
  version: '26.10.0',
  sha256: '7b3a546d33cb7e15a43bdd7a57e0be5d5fd5ffc553e6e4c120033e66f0ba20c5',
} as const

/** The ways to a Buildroot, for errors. */
export const waysOut = `BUILDROOT_DIR=<a checkout of tag ${pin.version}>, or BUILDROOT_TARBALL=<its tar file>, or none: then it is downloaded from ${pin.tarball}`
