import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { developmentKeys, makeEnrollment, signEfi } from '../signing/secure-boot.ts'
import { agentFile } from './agent.ts'
import { type Base, baseName } from './base.ts'
import { makeEsp } from './boot/esp.ts'
import { commandLine, makeUki } from './boot/uki.ts'
import { buildrootBase } from './buildroot/base.ts'
import { cached, cleanPartial, hashFile, hashFolder, hashOf, prune } from './cache.ts'
import { debianBase } from './debian/base.ts'
import { makeDisk, makeQcow2 } from './disk.ts'
import { imageToolVersions } from './host-tools.ts'
import { publish } from './publish.ts'
import { artefactName, osRelease, type Release } from './release.ts'
import { assembleTree } from './rootfs/assemble.ts'
import { breaches } from './rootfs/contract.ts'
import { makeSlot } from './rootfs/squashfs.ts'
import { describeLicenses, describeServices } from './sbom.ts'
import { chooseServices } from './services.ts'
import { step } from './step.ts'

/**
 * Builds the image of this checkout into `dist/`: the verbs in their order. Each part comes from the cache
 * when nothing that it depends on has changed. `list` names the services, see `chooseServices`. Returns the
 * path of the qcow2.
 */
export async function buildImage(release: Release, dist: string, list?: string): Promise<string> {
  const bases = { debian: debianBase, buildroot: buildrootBase }
  const makeBase = bases[baseName(process.env['BASE'])]
  const chosen = await chooseServices(list, undefined, release.test)
  await cleanPartial()
  const base = await makeBase(chosen, release)
  const parts: Parts = { release, base, keys: await developmentKeys() }
  const made = await cached({
    kind: 'image',
    key: await imageKey(parts),
    make: folder => makeImage(parts, folder),
  })
  const published = await publish(made, dist)
  for (const kind of ['image', 'agent']) await prune(kind, buildsKept)
  return published
}

/** Old builds in the cache: a checkout switched back and forth finds its image again. */
const buildsKept = 8

type Parts = { readonly release: Release; readonly base: Base; readonly keys: string }

async function imageKey({ release, base, keys }: Parts): Promise<string> {
  const programs = await Promise.all(base.services.flatMap(s => s.programs).map(hashFile))
  return hashOf({
    release: JSON.stringify(release),
    base: base.key,
    packages: base.packages,
    kernel: await hashFile(base.kernel.bzImage),
    services: JSON.stringify(base.services.map(s => [s.name, s.uid, s.files, s.pin, s.buildInfo])),
    programs: programs.join(' '),
    keys: await hashFolder(keys),
    agent: await hashFolder(base.agent),
    node: await hashFile(base.node),
    recipe: await recipeHash(),
    tools: await imageToolVersions(),
  })
}

/** Everything of ours that turns the parts into an image, and the versions of our npm packages. */
async function recipeHash(): Promise<string> {
  const root = join(import.meta.dirname, '..')
  const folders = ['image', 'signing', 'agent/disk'].map(folder => hashFolder(join(root, folder)))
  return [...(await Promise.all(folders)), await hashFile(join(root, 'package-lock.json'))].join(' ')
}

async function makeImage(parts: Parts, out: string): Promise<void> {
  const { release, keys, base } = parts
  const work = join(out, 'work')
  const [tree, scratch, boot] = ['tree', 'packages', 'boot'].map(name => join(work, name)) as [
    string,
    string,
    string,
  ]
  await mkdir(boot, { recursive: true })
  const files = await step('files of the base', () => base.files(scratch))
  await step('root file system', () => assembleTree(tree, files, treeInputs(parts)))
  await checkTree(tree, parts)
  const slot = await step('SquashFS and verity', () => makeSlot(tree, join(work, 'slot.img'), release.epochS))
  const efi = base.efi(files)
  const uki = await makeUki(
    {
      stub: join(efi, 'linuxx64.efi.stub'),
      bzImage: base.kernel.bzImage,
      kernelVersion: base.kernel.version,
      osRelease: osRelease(release),
      commandLine: commandLine(slot),
    },
    boot,
  )
  // Signing is a step of its own, last before the disk is put together: `make reproduce` compares both sides.
  await signEfi(keys, uki, join(boot, 'uki.efi'))
  await signEfi(keys, join(efi, 'systemd-bootx64.efi'), join(boot, 'loader.efi'))
  await makeEnrollment(keys, boot)
  const esp = await makeEsp(
    { uki: join(boot, 'uki.efi'), loader: join(boot, 'loader.efi'), enrollment: boot },
    boot,
  )
  const name = artefactName(release)
  await step('disk', () => makeDisk(esp, slot, join(out, `${name}.img`)))
  await step('qcow2', () => makeQcow2(join(out, `${name}.img`), join(out, `${name}.qcow2`)))
  await describeImage(parts, { out, uki, signedUki: join(boot, 'uki.efi'), slot: slot.file })
  await rm(work, { recursive: true })
}

function treeInputs({ base, release }: Parts) {
  return {
    services: base.services,
    nodeBinary: base.node,
    agent: base.agent,
    osRelease: osRelease(release),
    settings: `${JSON.stringify({ ntp: ['0.debian.pool.ntp.org', '1.debian.pool.ntp.org'] })}\n`,
  }
}

async function checkTree(tree: string, parts: Parts): Promise<void> {
  const servicePrograms = parts.base.services.flatMap(s => s.programs).map(path => basename(path))
  const found = await breaches(tree, { servicePrograms, test: parts.release.test })
  if (found.length > 0)
    throw new Error(`Cannot use this root file system, it breaks the contract:\n  ${found.join('\n  ')}`)
}

type Made = { readonly out: string; readonly uki: string; readonly signedUki: string; readonly slot: string }

/** Beside the image: what is in it, how large its parts are, and their checksums. */
async function describeImage(parts: Parts, made: Made): Promise<void> {
  const name = artefactName(parts.release)
  await writeFile(join(made.out, `${name}.packages`), parts.base.packages)
  await writeFile(join(made.out, `${name}.services`), describeServices(parts.base.services))
  await writeFile(join(made.out, `${name}.licenses`), describeLicenses(parts.base.services))
  const mib = async (path: string) => ((await stat(path)).size / 1024 / 1024).toFixed(2)
  const sizes = {
    qcow2: await mib(join(made.out, `${name}.qcow2`)),
    rootfs: await mib(made.slot),
    uki: await mib(made.signedUki),
    kernel: await mib(parts.base.kernel.bzImage),
    agent: await mib(join(parts.base.agent, agentFile)),
  }
  const rows = Object.entries(sizes).map(([what, size]) => `${what.padEnd(8)} ${size.padStart(9)} MiB\n`)
  await writeFile(join(made.out, `${name}.sizes`), rows.join(''))
  const sums = [`${await hashFile(made.uki)}  uki-unsigned.efi\n`, `${await hashFile(made.slot)}  rootfs\n`]
  for (const file of (await readdir(made.out)).filter(f => f.startsWith(name)).sort())
    sums.push(`${await hashFile(join(made.out, file))}  ${file}\n`)
  await writeFile(join(made.out, `${name}.sha256`), sums.join(''))
}
