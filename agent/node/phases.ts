import { bootCountPath, secureBoot, takeLastPanic } from '../boot/firmware.ts'
import { readOperatorText, withEsp } from '../boot/esp.ts'
import { readImage } from '../boot/image.ts'
import { setKernel } from '../boot/kernel.ts'
import { mountAll } from '../boot/mounts.ts'
import type { Phase } from '../boot/phases.ts'
import { startWatchdog } from '../boot/watchdog.ts'
import { readDataState } from '../disk/blank.ts'
import { openDisk } from '../disk/disk.ts'
import { findBootDisk, nameDevices } from '../disk/find.ts'
import { sectorBytes } from '../disk/gpt.ts'
import { growLast, repairTable } from '../disk/table.ts'
import { parseOperatorFile } from '../../protocol/operator-file.ts'
import { startReaper } from '../system/children.ts'
import { openConsoles } from '../system/console.ts'
import { addLogSink, describe, log, tolerate } from '../system/log.ts'
import { denyWritableCode, setUndumpable } from '../system/libc.ts'
import { hasTpm, logMeasurements } from '../trust/identity.ts'
import { eraseVolume } from '../unlock/erase.ts'
import { known, type Machine } from './machine.ts'
import { beginNetwork, closeFirewall, findNetwork, setClock } from './network.ts'
import { beginSession } from './session.ts'

/** The boot up to the point where the node's state decides what comes next. */
export const phases: readonly Phase<Machine>[] = [
  { name: 'mounts', required: true, run: mountAll },
  {
    name: 'kernel',
    required: true,
    run: () => {
      setKernel()
    },
  },
  { name: 'console', required: true, run: openEyes },
  { name: 'watchdog', required: false, run: armWatchdog },
  { name: 'links', required: false, run: beginNetwork },
  { name: 'identity', required: true, run: identify },
  { name: 'disk', required: true, run: findDisk },
  { name: 'operator', required: true, run: readOperator },
  { name: 'session', required: false, run: beginSession },
  { name: 'firewall', required: true, run: closeFirewall },
  { name: 'network', required: false, run: findNetwork },
  { name: 'clock', required: false, run: setClock },
]

/** From here on people see what happens, orphans are reaped, and nobody reads this process's memory or adds code. */
function openEyes(machine: Machine): void {
  addLogSink(openConsoles())
  setUndumpable()
  denyWritableCode()
  machine.reaper = startReaper()
}

function armWatchdog(machine: Machine): void {
  machine.watchdog = startWatchdog()
  log(`watchdog: ${machine.watchdog.kind}`)
}

async function identify(machine: Machine): Promise<void> {
  machine.image = await readImage()
  machine.firmware = {
    secureBoot: await secureBoot(),
    bootedEntry: await bootCountPath(),
    lastPanic: await takeLastPanic(),
  }
  const { version, counter, buildKind, test } = machine.image
  log(`OramaOS ${version} (release ${counter}, ${buildKind} build${test ? ', TEST' : ''})`)
  log(`Secure Boot: ${machine.firmware.secureBoot ? 'on' : 'off'}; TPM: ${hasTpm() ? 'there' : 'none'}`)
  logMeasurements()
  if (machine.firmware.lastPanic !== undefined) log(`last panic: ${machine.firmware.lastPanic}`)
}

/** Finds the disk that the root runs from, mends a torn table, and lets the data partition reach its end. */
async function findDisk(machine: Machine): Promise<void> {
  const boot = await findBootDisk('/sys')
  await using disk = await openDisk(`/dev/${boot.disk}`, 'r+')
  const before = await repairTable(disk)
  for (const copy of ['primary', 'backup'] as const) {
    const state = before[copy]
    if (state !== 'good') log(`partition table: the ${copy} copy was bad (${state.bad}): repaired`)
  }
  machine.disk = nameDevices(boot, (await growLast(disk)).table)
  machine.data = await readDataState(machine.disk.data)
  if (machine.data.kind === 'pending') await endErasing(machine, machine.disk.data)
  await using data = await openDisk(machine.disk.data, 'r')
  const size = `${Math.floor((data.sectors * sectorBytes) / 1024 ** 2)} MiB`
  log(`disk: ${machine.disk.disk}, slot ${machine.disk.slot}, data: ${machine.data.kind}, ${size}`)
}

/** A node that has left, or an enrollment, was cut off: of neither anything is to be left that opens the partition. */
async function endErasing(machine: Machine, device: string): Promise<void> {
  await eraseVolume(device).catch(tolerate('erasing an uncommitted format'))
  machine.data = await readDataState(device)
}

async function readOperator(machine: Machine): Promise<void> {
  try {
    const text = await withEsp(known(machine, 'disk').esp, 'read', readOperatorText)
    machine.operator = text === undefined ? { kind: 'none' } : { kind: 'file', file: parseOperatorFile(text) }
  } catch (cause) {
    machine.operator = { kind: 'invalid', why: describe(cause) }
    log(`operator file: ${machine.operator.why}`)
  }
}
