import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, exists, hashFile } from '../cache.ts'
import { step, tool } from '../step.ts'
import { type Checkout, openCheckout } from './checkout.ts'
import { pin, waysOut } from './pin.ts'

/**
 * The pinned Buildroot: the folder or the tar file that the environment names, or a download. A tar file is used
 * after its hash was compared, then its content lies in the cache. Throws an error that names the ways to one.
 */
export async function obtainBuildroot(env: NodeJS.ProcessEnv): Promise<Checkout> {
  const folder = env['BUILDROOT_DIR'] ?? ''
  const tarball = env['BUILDROOT_TARBALL'] ?? ''
  if (folder !== '' && tarball !== '')
    throw new RangeError('Cannot use both BUILDROOT_DIR and BUILDROOT_TARBALL: give one')
  if (folder !== '') return openCheckout(folder)
  return { folder: await unpacked(tarball === '' ? await downloaded() : tarball), warnings: [] }
}

async function unpacked(tarball: string): Promise<string> {
  await checkTarball(tarball)
  return cached({
    kind: 'buildroot-source',
    key: pin.sha256,
    make: to =>
      tool('tar', ['-xf', tarball, '-C', to, '--strip-components=1'], { log: 'buildroot-unpack' }).then(
        () => undefined,
      ),
  })
}

/** Throws an error that names the right hash, and where the file can be had. */
export async function checkTarball(tarball: string): Promise<void> {
  if (!(await exists(tarball)))
    throw new RangeError(`Cannot use '${tarball}': it is not there; use ${waysOut}`)
  const hash = await hashFile(tarball)
  if (hash !== pin.sha256)
    throw new RangeError(
      `Cannot use '${tarball}': its SHA-256 is ${hash}, Buildroot ${pin.version} has ${pin.sha256}; use ${waysOut}`,
    )
}

async function downloaded(): Promise<string> {
  const name = pin.tarball.replace(/.*\//, '')
  const folder = await cached({
    kind: 'buildroot-tarball',
    key: pin.sha256,
    make: to => step(`download of Buildroot ${pin.version}`, () => download(join(to, name))),
  })
  return join(folder, name)
}

async function download(file: string): Promise<void> {
  const args = ['--no-verbose', '--tries=2', '--timeout=30', '-O', `${file}.part`, pin.tarball]
  await tool('wget', args, { log: 'buildroot-download' }).catch((cause: unknown) => {
    throw new Error(`Cannot download Buildroot ${pin.version}: use ${waysOut}`, { cause })
  })
  await checkTarball(`${file}.part`)
  await rename(`${file}.part`, file)
}
