import { copyFile, cp, mkdir, rm } from 'node:fs/promises'
import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { run, type Run } from '../../../agent/system/run.ts'
import type { Enrollment } from '../../../agent/unlock/commit.ts'
import type { NodeVolume, World } from '../../../agent/unlock/open.ts'
import type { Escrow } from '../../../protocol/escrow.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { blankFile } from './luks-samples.ts'

const b64url = (bytes: number) => randomBytes(bytes).toString('base64url')
const cluster = '0123456789abcdef0123456789abcdef'
const nodeId = 'nabcdefghijklmnop'
const owner = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'

export function sampleRecord(luksUuid: string): NodeRecord {
  const peer = { name: 'operator', publicKey: randomBytes(32).toString('base64'), address: '10.0.0.254' }
  return {
    v: 1,
    revision: 1,
    nodeId,
    cluster,
    owner,
    ownerPublicKey: b64url(65),
    grant: { text: 'OramaOS enrollment grant v1\n', signature: `0x${'0'.repeat(130)}` },
    hello: {
      v: 1,
      enrollment: b64url(32),
      wireguard: randomBytes(32).toString('base64'),
      identity: b64url(32),
      lease: b64url(32),
      version: '0.1.0',
      expires: '2026-11-21T08:00:00Z',
    },
    wireguard: {
      privateKey: randomBytes(32).toString('base64'),
      address: '10.0.0.1',
      prefix: 24,
      listenPort: 51820,
      peers: [peer],
    },
    identityPrivate: b64url(32),
    agentToken: randomBytes(32).toString('hex'),
    luksUuid,
    authority: owner,
    membership: { members: [], departures: [] },
    endpoints: [],
    sharesKey: b64url(32),
    openings: { current: { kind: 'escrow', keyslot: 0, number: 1 } },
    enrolledAt: '2026-11-21T08:00:00Z',
    lastOrder: 0,
  }
}

function sampleEscrow(luksUuid: string): Escrow {
  return { v: 1, cluster, nodeId, luksUuid, number: 1, owner, ephemeral: b64url(33), box: b64url(60) }
}

export function sampleEnrollment(): Enrollment {
  const luksUuid = randomUUID()
  return {
    secret: randomBytes(32),
    record: sampleRecord(luksUuid),
    escrow: sampleEscrow(luksUuid),
    clusterSecret: randomBytes(32),
    leasePrivate: randomBytes(32),
  }
}

export type Bench = {
  readonly world: World
  readonly volume: NodeVolume
  /** What was done to the machine, in order; secrets and paths left out. */
  readonly steps: string[]
  /** Fails before (or after) the step of that number; 0 for never. */
  fail: { at: number; how: 'before' | 'after' }
}

/**
 * A world on a host without device-mapper: real cryptsetup and mke2fs on files. The mapping is a file of its own,
 * `open` only tries the secret, and the mount point is an ordinary folder that mke2fs empties. `from`: begin with
 * the disk of another.
 */
export async function bench(folder: string, from?: Bench): Promise<Bench> {
  const device = await blankFile(folder)
  const mapping = await blankFile(folder, 'mapping.img')
  const mountPoint = join(folder, 'data')
  await mkdir(mountPoint)
  if (from !== undefined) {
    await copyFile(from.volume.device, device)
    await copyFile(from.world.mapperPath(''), mapping)
    await cp(from.volume.mountPoint, mountPoint, { recursive: true })
  }
  const steps: string[] = []
  const fails: Bench['fail'] = { at: 0, how: 'before' }

  const guarded = <T>(name: string, act: () => T): T => {
    steps.push(name)
    const hit = steps.length === fails.at
    if (hit && fails.how === 'before') throw new Error(`stopped before ${name}`)
    const result = act()
    if (!hit) return result
    const stop = () => {
      throw new Error(`stopped after ${name}`)
    }
    return result instanceof Promise ? (result.then(stop) as T) : stop()
  }
  const fakeRun: Run = async (program, args, options) =>
    guarded(nameOf(program, args, options?.input), async () => {
      if (args[0] === 'close') return ''
      if (program === 'mke2fs') await emptyFolder(mountPoint)
      const opens = args[0] === 'open' && !args.includes('--test-passphrase')
      return run(program, opens ? withoutName(args) : args, options)
    })

  const world: World = {
    run: fakeRun,
    mount: () => {
      guarded('mount', () => undefined)
    },
    unmount: () => {
      guarded('unmount', () => undefined)
    },
    sync: () => {
      guarded('sync', () => undefined)
    },
    mapperPath: () => mapping,
  }
  const volume = { device, name: 'data', mountPoint, headerFile: join(folder, 'header') }
  return { world, volume, steps, fail: fails }
}

function nameOf(program: string, args: readonly string[], input: unknown): string {
  const [action = ''] = args
  if (program !== 'cryptsetup') return program
  const type = action === 'token' ? /"type":"(orama-\w+)"/.exec(String(input))?.[1] : undefined
  return type ?? action
}

/** `open … device name` → `open --test-passphrase … device`. */
function withoutName([action = '', ...rest]: readonly string[]): string[] {
  return [action, '--test-passphrase', ...rest.slice(0, -1)]
}

async function emptyFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true })
  await mkdir(folder)
}
