import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { withServiceFacts } from '../../agent/node/service-facts.ts'
import { dataFolder } from '../../agent/node/volume.ts'
import { type Crun, crun } from '../../agent/services/crun.ts'
import { type FirstStarts, firstStarts } from '../../agent/services/first-start.ts'
import { openServiceLog, type ServiceLog } from '../../agent/services/logs.ts'
import type { Manifest } from '../../agent/services/manifest.ts'
import { probeService } from '../../agent/services/probe.ts'
import type { OciConfig } from '../../agent/services/sandbox.ts'
import type { Reaper } from '../../agent/system/children.ts'
import { deviceNumber } from '../../agent/system/device.ts'
import { launch } from '../../agent/system/launch.ts'
import { setUserQuota } from '../../agent/system/quota.ts'
import { run } from '../../agent/system/run.ts'
import { storeFolder, withClusterSecret } from '../../agent/unlock/record-store.ts'
import { servicePassword } from '../../protocol/cluster-secret.ts'

export const runFolder = '/run/orama'
/** The whole disk of a measuring machine is one ext4, its root. */
const device = '/dev/vda'
const readyMsMax = 60_000
const probeMs = 20
const lastLines = 20

/** The service that is measured, with the sandboxes of the agent. */
export type Subject = {
  readonly manifest: Manifest
  readonly crun: Crun
  readonly data: FirstStarts
  /** Folder with the config.json of the last start. */
  readonly bundle: string
  readonly reaper: Reaper
  /** What the service writes, in the sandbox and outside of it. */
  readonly log: ServiceLog
  readonly address: string
  readonly password: string
}

const address = '127.0.0.1'
/** A node without peers, whose WireGuard address is loopback. */
const record = {
  nodeId: 'n1',
  cluster: 'c1',
  wireguard: { privateKey: '', listenPort: 51_820, address, prefix: 24, peers: [] },
}

export async function subjectOf(manifest: Manifest, reaper: Reaper): Promise<Subject> {
  const log = openServiceLog(join(dataFolder, 'logs', `${manifest.name}.log`))
  const data = firstStarts(dataFolder)
  const sandboxes = crun({
    run,
    launch,
    runFolder,
    dataOf: ({ name }) => data.dataOf(name),
    logOf: () => log,
    seccompModeOf: () => 'enforce',
    dataDevice: () => deviceNumber(device),
    setQuota: (uid, quota) => {
      setUserQuota(device, uid, quota)
    },
    withFacts: (of, use) =>
      withClusterSecret(storeFolder(dataFolder), clusterSecret =>
        withServiceFacts(of, { record, peers: [], clusterSecret, nameservers: [] }, use),
      ),
  })
  const bundle = join(runFolder, 'bundles', manifest.name)
  const password = await withClusterSecret(storeFolder(dataFolder), secret =>
    Promise.resolve(servicePassword(secret, manifest.name)),
  )
  return { manifest, crun: sandboxes, data, bundle, reaper, log, address, password }
}

/** What the last start's config.json says of the process. */
export async function readProcess({ bundle }: Subject): Promise<OciConfig['process']> {
  const config = JSON.parse(await readFile(join(bundle, 'config.json'), 'utf8')) as OciConfig
  return config.process
}

/** Kills a sandbox of the agent and takes it away. */
export async function endSandbox({ manifest, crun: sandboxes, reaper }: Subject, pid: number): Promise<void> {
  await sandboxes.kill(manifest.name, 'KILL')
  await reaper.exitOf(pid)
  await sandboxes.remove(manifest.name)
}

/** Throws where the service does not become ready, with what it wrote last. */
export async function untilReady({ manifest, log }: Subject, pid: number): Promise<void> {
  const endMs = performance.now() + readyMsMax
  while (!(await probeService(manifest, address))) {
    if (performance.now() < endMs) {
      await pause(probeMs)
      continue
    }
    const state = existsSync(`/proc/${pid}`) ? 'runs and' : 'has ended, it'
    const last = (await log.tail(lastLines)).join(' | ')
    throw new Error(`Cannot measure: ${manifest.name} ${state} does not become ready; it wrote last: ${last}`)
  }
}
