import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Slot, verityTable } from '../rootfs/squashfs.ts'
import { fixedClock } from '../clock.ts'
import { tool } from '../step.ts'

export type UkiInputs = {
  /** systemd-stub (linuxx64.efi.stub). */
  readonly stub: string
  readonly bzImage: string
  readonly kernelVersion: string
  readonly osRelease: string
  readonly commandLine: string
}

/**
 * Node's flags for the agent: little is made at a time, so a small heap for what is young. No just-in-time compiler:
 * docs/decisions/0015.
 */
export const agentFlags = ['--no-warnings', '--max-semi-space-size=2', '--jitless'] as const

/** The kernel's command line for a slot: it names the root hash, so that what is signed decides what runs. */
export function commandLine(slot: Slot): string {
  return [
    'console=tty0 console=ttyS0,115200 loglevel=4 panic=5 ro gpt',
    // Whether the timer's interrupt arrives is not tried: a virtual machine short of processor time would panic.
    'no_timer_check',
    'root=/dev/dm-0 rootfstype=squashfs',
    `dm-mod.waitfor=PARTUUID=${slot.partUuid}`,
    `dm-mod.create="${verityTable(slot)}"`,
    // A NAME=value that the kernel does not know becomes PID 1's environment, what stands after -- its arguments.
    // Large buffers are mapped each for itself, so that their memory goes back when they do.
    'MALLOC_MMAP_THRESHOLD_=131072 MALLOC_ARENA_MAX=2',
    `init=/usr/bin/node -- ${agentFlags.join(' ')} --snapshot-blob /usr/lib/orama/agent.snapshot`,
  ].join(' ')
}

/** Makes an unsigned unified kernel image (UAPI Group specification): systemd-stub with our sections added. */
export async function makeUki(inputs: UkiInputs, folder: string): Promise<string> {
  const sections = {
    '.osrel': join(folder, 'osrel'),
    '.cmdline': join(folder, 'cmdline'),
    '.uname': join(folder, 'uname'),
    '.linux': inputs.bzImage,
  }
  await writeFile(sections['.osrel'], inputs.osRelease)
  await writeFile(sections['.cmdline'], inputs.commandLine)
  await writeFile(sections['.uname'], inputs.kernelVersion)
  const { alignment, end } = await stubLayout(inputs.stub)
  const align = (address: bigint) => ((address + alignment - 1n) / alignment) * alignment
  const args: string[] = []
  let address = align(end)
  for (const [name, file] of Object.entries(sections)) {
    args.push('--add-section', `${name}=${file}`, '--change-section-vma', `${name}=0x${address.toString(16)}`)
    address = align(address + BigInt((await stat(file)).size))
  }
  const uki = join(folder, 'uki-unsigned.efi')
  // objcopy writes the time into the PE header.
  await fixedClock('objcopy', [...args, inputs.stub, uki])
  return uki
}

async function stubLayout(stub: string): Promise<{ alignment: bigint; end: bigint }> {
  const headers = await tool('objdump', ['-p', stub], { log: 'objdump-headers' })
  const alignment = /SectionAlignment\s+([0-9a-f]+)/.exec(headers)?.[1]
  if (alignment === undefined) throw new Error(`Cannot read the section alignment of '${stub}'`)
  const sections = await tool('objdump', ['-h', stub], { log: 'objdump-sections' })
  const ends = [...sections.matchAll(/^\s+\d+ \S+\s+([0-9a-f]{8})\s+([0-9a-f]{8,16})/gm)].map(
    ([, size, vma]) => BigInt(`0x${size ?? '0'}`) + BigInt(`0x${vma ?? '0'}`),
  )
  return { alignment: BigInt(`0x${alignment}`), end: ends.reduce((a, b) => (a > b ? a : b), 0n) }
}
