import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { exists } from '../image/cache.ts'
import { probeAcceleration } from './acceleration.ts'
import { interrupted } from './cleanup.ts'
import { makeOverlay, type Disk } from './disk.ts'
import { startMachine, type Machine } from './machine.ts'
import { startNetwork, type Port } from './network.ts'
import { openTpm } from './tpm.ts'

const folder = resolve('dist/run')
const diskBytes = 8 * 1024 ** 3

/**
 * `make run`: `node qemu/run.ts dist/<image>.qcow2` boots one node for a person, its console on the terminal.
 * Disk, TPM and firmware variables stay in dist/run from run to run, until the image changes.
 */
async function main(imageFile: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const signal = interrupted()
  const disk = await persistentDisk({ file: resolve(imageFile), format: 'qcow2' })
  const acceleration = await probeAcceleration()
  if (acceleration.accelerator === 'tcg') say(`No KVM here, emulating (${firstLine(acceleration.reason)})`)
  await using network = await startNetwork({ folder })
  const port = await network.attach()
  await using wireguard = await network.wireguard()
  await network.exec('ip', ['address', 'add', '10.0.0.254/24', 'dev', wireguard.interface])
  explain(port, wireguard.interface)
  const tpm = await openTpm(join(folder, 'tpm'))
  const onOutput = (bytes: Uint8Array) => process.stdout.write(bytes)
  await using machine = await startMachine({ folder, disk, port, tpm, onOutput })
  await Promise.race([machine.exited, signal.then(() => powerOff(machine))])
}

/** An overlay on the image; an image that was built anew gets a fresh one, since the old one would be torn. */
async function persistentDisk(image: Disk): Promise<Disk> {
  const stats = await stat(image.file)
  if (!stats.isFile()) throw new TypeError(`Cannot run a node: '${image.file}' is no file`)
  const { size, mtimeMs } = stats
  const identity = `${image.file} ${size} ${mtimeMs}\n`
  const note = join(folder, 'image')
  const file = join(folder, 'disk.qcow2')
  const known = await readFile(note, 'utf8').catch(() => undefined)
  if (known === identity && (await exists(file))) return { file, format: 'qcow2' }
  if (known !== undefined)
    say(`${basename(image.file)} has changed: starting with an empty disk and a new TPM`)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const disk = await makeOverlay(image, file, diskBytes)
  await writeFile(note, identity)
  return disk
}

/** What a person needs to enroll the node and to talk to it: lines to paste into a second terminal. */
function explain({ namespace, address }: Port, wireguardInterface: string): void {
  const inside = `ip netns exec ${namespace}`
  const orama = `${inside} ${resolve('bin/orama')}`
  say('The node is on a network of its own. From a second terminal, as root:')
  say(`  wallet:     ${orama} wallet new`)
  say(`  enroll:     ${orama} node enroll --genesis --node-ip ${address}`)
  say(
    `  then:       ${orama} node wg-config --node-ip ${address} --setconf | ${inside} wg setconf ${wireguardInterface} /dev/stdin`,
  )
  say(`  status:     ${orama} node status --node-ip 10.0.0.1`)
  say(`  unlock:     ${orama} node unlock --genesis --node-ip 10.0.0.1`)
  say(`The console follows (transcript: ${join(folder, 'node.console')}). Ctrl-C ends the machine.`)
}

async function powerOff(machine: Machine): Promise<void> {
  say('\nEnding the machine')
  await machine.stop()
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

const [imageFile] = process.argv.slice(2)
// An empty word is what a failed build prints.
if (imageFile === undefined || imageFile === '')
  throw new TypeError('Cannot run a node: say which image, such as dist/….qcow2')
await main(imageFile)
