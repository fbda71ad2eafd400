import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootTimeMs, type ExitStatus } from '../system/libc.ts'
import { log } from '../system/log.ts'
import { openNetlink } from '../system/netlink.ts'
import { portReader } from '../system/ports.ts'
import { auditProtocol, type AuditWorld, receiveBufferBytes } from './audit.ts'
import type { Crun } from './crun.ts'
import type { FirstStarts } from './first-start.ts'
import { readServiceFolder } from './folder.ts'
import { checkManifests, type Manifest } from './manifest.ts'
import { probeService } from './probe.ts'
import type { SupervisorWorld } from './supervisor.ts'

export type ServiceWorldOptions = {
  readonly crun: Crun
  readonly data: FirstStarts
  /** The reaper's: how a child of PID 1 ended. */
  readonly onExit: (pid: number) => Promise<ExitStatus>
  readonly wireguardAddress: string
}

/** The real world of the supervisor. */
export function serviceWorld({ crun, data, onExit, wireguardAddress }: ServiceWorldOptions): SupervisorWorld {
  return {
    ...crun,
    keepData: data.keepData,
    startOver: data.startOver,
    onExit,
    probe: (manifest, kind) => probeService(manifest, wireguardAddress, kind),
    nowMs: bootTimeMs,
    sleep: async (ms, signal) => {
      await sleep(ms, undefined, { signal })
    },
    random: Math.random,
    heldPorts: portReader(),
    log: line => {
      log(`services: ${line}`)
    },
  }
}

/** The real world of the audit reader. */
export function auditWorld(): AuditWorld {
  return {
    open: () => openNetlink(auditProtocol, receiveBufferBytes),
    pid: process.pid,
    every: (ms, task, signal) => {
      const timer = setInterval(task, ms)
      signal.addEventListener('abort', () => {
        clearInterval(timer)
      })
    },
    nowMs: () => performance.now(),
    log,
  }
}

/** All manifests of the image, `<folder>/<name>/service.json`. Throws SyntaxError that names the bad file. */
export async function readManifests(folder = '/usr/lib/orama/services'): Promise<Manifest[]> {
  const manifests: Manifest[] = []
  for (const name of (await readdir(folder)).sort())
    manifests.push((await readServiceFolder(folder, name)).manifest)
  checkManifests(manifests)
  return manifests
}
