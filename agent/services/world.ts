import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootTimeMs, type ExitStatus } from '../system/libc.ts'
import { log } from '../system/log.ts'
import type { Crun } from './crun.ts'
import { checkManifests, type Manifest, parseManifest } from './manifest.ts'
import { probeService } from './probe.ts'
import type { SupervisorWorld } from './supervisor.ts'

export type ServiceWorldOptions = {
  readonly crun: Crun
  /** The reaper's: how a child of PID 1 ended. */
  readonly onExit: (pid: number) => Promise<ExitStatus>
  readonly wireguardAddress: string
}

/** The real world of the supervisor. */
export function serviceWorld({ crun, onExit, wireguardAddress }: ServiceWorldOptions): SupervisorWorld {
  return {
    ...crun,
    onExit,
    probe: manifest => probeService(manifest, wireguardAddress),
    nowMs: bootTimeMs,
    sleep: async (ms, signal) => {
      await sleep(ms, undefined, { signal })
    },
    random: Math.random,
    log: line => {
      log(`services: ${line}`)
    },
  }
}

/** All manifests of the image, `<folder>/<name>/service.json`. Throws SyntaxError that names the bad file. */
export async function readManifests(folder = '/usr/lib/orama/services'): Promise<Manifest[]> {
  const manifests: Manifest[] = []
  for (const name of (await readdir(folder)).sort()) {
    const file = join(folder, name, 'service.json')
    const manifest = parseManifest(await readFile(file, 'utf8'), file)
    if (manifest.name !== name) throw new SyntaxError(`Cannot use '${file}': name: it is '${manifest.name}'`)
    manifests.push(manifest)
  }
  checkManifests(manifests)
  return manifests
}
