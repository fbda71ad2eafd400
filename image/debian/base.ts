import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { buildAgent, npmNode } from '../agent.ts'
import type { Base } from '../base.ts'
import { cached, hashFolder, partialFolder } from '../cache.ts'
import { goPackages } from '../go.ts'
import { buildKernel } from '../kernel/build.ts'
import type { Release } from '../release.ts'
import { executables, otherPackages } from '../rootfs/contents.ts'
import { describePackages } from '../sbom.ts'
import { buildServices, type ChosenService } from '../services.ts'
import { step } from '../step.ts'
import { openApt } from './apt.ts'
import { download, downloadWithDependencies, unpack } from './packages.ts'

/** Debian 13's binaries, its kernel source and its Go. */
export async function debianBase(chosen: readonly ChosenService[], { test }: Release): Promise<Base> {
  const apt = await openApt()
  const taken = await step('Debian packages', () => downloadWithDependencies(apt, wantedPackages()))
  const [kernelSource] = await download(apt, ['linux-source-6.12'])
  if (kernelSource === undefined) throw new Error('Cannot find linux-source-6.12 in the package index')
  const kernel = await buildKernel(kernelSource)
  const go = await download(apt, goPackages)
  return {
    files: async scratch => {
      for (const one of taken) await unpack(one, scratch)
      return scratch
    },
    efi: files => join(files, 'usr/lib/systemd/boot/efi'),
    key: taken.map(one => one.sha256).join(' '),
    packages: describePackages({ taken, built: [...go, kernelSource] }),
    kernel,
    services: await buildServices(go, chosen),
    agent: await bundled(test),
    node: npmNode.program,
  }
}

function wantedPackages(): string[] {
  return [...new Set([...Object.values(executables).map(e => e.package), ...otherPackages])]
}

async function bundled(test: boolean): Promise<string> {
  await using folder = await partialFolder('agent')
  await buildAgent(folder.path, test)
  const key = await hashFolder(folder.path)
  return await cached({ kind: 'agent', key, make: to => cp(folder.path, to, { recursive: true }) })
}
