import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readDataState } from '../../../agent/disk/blank.ts'
import { run } from '../../../agent/system/run.ts'
import { withHeader } from '../../../agent/unlock/header-file.ts'
import { readEscrowToken, readNodeToken } from '../../../agent/unlock/tokens.ts'
import { tryOpen } from '../../../agent/unlock/volume.ts'
import type { Escrow } from '../../../protocol/escrow.ts'
import { logWrites, makeOverlay, makeRawCopy } from '../../../qemu/disk.ts'
import { openReplay, type Replay } from '../../../qemu/replay.ts'
import { bootMs, diskBytes, enrollment, makeSite, must, readConsole, type Site, startOrama } from './node.ts'
import { partitionOf, type Range } from './raw-disk.ts'
import { escrowOpener } from './wallet-file.ts'

/** Every write that a machine made to its disk from power-on to the end of its enrollment. */
export type Recording = {
  readonly site: Site
  /** The command that enrolled it, for `orama`: its end it never saw. */
  readonly command: readonly string[]
  /** Where the data partition lies once it has grown. */
  readonly data: Range
  /** The secret that an escrow of this node holds, by the wallet of its owner. */
  readonly secretOf: (escrow: Escrow) => Buffer
  /** The disk as it was before, and the writes one by one; each call begins anew. */
  readonly replay: (name: string) => Promise<Replay>
}

/**
 * Boots a node on a disk whose writes are logged, enrolls it, and switches it off. Its answer reaches nobody: the
 * operator's machine ends meanwhile, so that a power cut leaves both of them with what they had on their disks.
 */
export async function recordEnrollment(t: Parameters<typeof makeSite>[0], image: string): Promise<Recording> {
  const site = await makeSite(t, image)
  const baseFile = join(site.folder, 'base.qcow2')
  const base = await makeOverlay({ file: image, format: 'qcow2' }, baseFile, diskBytes)
  const logFile = join(site.folder, 'writes.log')
  const machine = await site.boot({ name: 'recorded', disk: await logWrites(site.disk, logFile) })
  const command = enrollment(site, await readConsole(machine))
  must(await site.orama('wallet', 'new'))
  const enrolling = await startOrama(site, ...command)
  await machine.console.waitFor('STATE enrolling\n', bootMs)
  await enrolling.stop()
  await machine.console.waitFor('STATE ready\n', bootMs)
  await machine.stop()
  const last = await makeRawCopy(site.disk, join(site.folder, 'last.img'))
  const data = await partitionOf(last, 'data')
  await rm(last.file)
  const replay = (name: string) => openReplay({ base, logFile, target: join(site.folder, `${name}.img`) })
  return { site, data, command, secretOf: await escrowOpener(site), replay }
}

export type Verdict = { readonly kind: string; readonly why: string }

/**
 * What a node that starts with this data partition would make of it, by the agent's own code. `enrolled` only if
 * the header is whole and cryptsetup opens it with the secret that the wallet takes out of its escrow.
 */
export async function judgePartition({ site, secretOf }: Recording, file: string): Promise<Verdict> {
  const state = await readDataState(file)
  if (state.kind === 'foreign') return { kind: 'foreign', why: state.found }
  if (state.kind !== 'enrolled') return { kind: state.kind, why: '' }
  try {
    await withHeader(file, join(site.folder, 'checked.header'), async ({ header, file: headerFile }) => {
      readNodeToken(header)
      const escrow = readEscrowToken(header)
      if (escrow === undefined) throw new Error('there is no escrow')
      await tryOpen(run, { device: file, headerFile, secret: secretOf(escrow) })
    })
    return { kind: 'enrolled', why: '' }
  } catch (error) {
    return { kind: 'unusable', why: String(error) }
  }
}
