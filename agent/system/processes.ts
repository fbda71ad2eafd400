import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Confinement } from '../../protocol/status.ts'

/**
 * Names of the processes that run as root, or could again (one of their four user ids is 0), besides PID 1 and
 * the kernel's own threads; sorted. Short-lived helpers of the agent such as `ip` are among them while they run.
 * Fields of /proc/PID/status: proc_pid_status(5); `Kthread` is there since Linux 6.8.
 */
export function rootProcesses(proc = '/proc'): string[] {
  const pids = readdirSync(proc).filter(name => /^\d+$/.test(name) && name !== '1')
  return pids.flatMap(pid => nameIfRoot(join(proc, pid, 'status')) ?? []).sort()
}

/** Undefined also where it has ended between listing and reading. */
function nameIfRoot(path: string): string | undefined {
  let text: string
  try {
    text = readStatus(path)
  } catch {
    return undefined
  }
  if (text.includes('\nKthread:\t1\n')) return undefined
  const uids = field(text, 'Uid').split('\t')
  return uids.includes('0') ? field(text, 'Name') : undefined
}

/** Not by a promise: the kernel answers at once, and a hundred promises keep the agent from its work for longer. */
function readStatus(path: string): string {
  return readFileSync(path, 'utf8')
}

const capabilityNames: Readonly<Record<number, string>> = { 10: 'CAP_NET_BIND_SERVICE' }

/**
 * What the kernel says of a process in /proc/PID/status, see proc_pid_status(5). Throws where the process is gone, or
 * SyntaxError.
 */
export function confinementOf(pid: number, proc = '/proc'): Confinement {
  const text = readStatus(join(proc, String(pid), 'status'))
  // BigInt throws for '0x': a set that is not told is not taken for an empty one.
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(set => BigInt(`0x${field(text, set)}`))
  const held = sets.reduce((all, set) => all | set, 0n)
  const bits = Array.from({ length: 64 }, (_, bit) => bit).filter(bit => ((held >> BigInt(bit)) & 1n) === 1n)
  return {
    uid: Number(field(text, 'Uid').split('\t')[0]),
    capabilities: bits.map(bit => capabilityNames[bit] ?? String(bit)),
    noNewPrivileges: field(text, 'NoNewPrivs') === '1',
    filtered: field(text, 'Seccomp') === '2',
  }
}

function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\t(.*)$`, 'm').exec(status)?.[1] ?? ''
}
