import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Confinement } from '../../protocol/status.ts'

/**
 * Names of the processes that run as root, or could again (one of their four user ids is 0), besides PID 1 and
 * the kernel's own threads; sorted. Short-lived helpers of the agent such as `ip` are among them while they run.
 * Fields of /proc/PID/status: proc_pid_status(5); `Kthread` is there since Linux 6.8.
 */
export async function rootProcesses(proc = '/proc'): Promise<string[]> {
  const pids = (await readdir(proc)).filter(name => /^\d+$/.test(name) && name !== '1')
  const names = await Promise.all(pids.map(pid => nameIfRoot(join(proc, pid, 'status'))))
  return names.filter(name => name !== undefined).sort()
}

async function nameIfRoot(path: string): Promise<string | undefined> {
  // It may end between listing and reading.
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined || field(text, 'Kthread') === '1') return undefined
  const uids = field(text, 'Uid').split('\t')
  return uids.includes('0') ? field(text, 'Name') : undefined
}

const capabilityNames: Readonly<Record<number, string>> = { 10: 'CAP_NET_BIND_SERVICE' }

/**
 * What the kernel says of a process in /proc/PID/status, see proc_pid_status(5). Throws where the process is gone, or
 * SyntaxError.
 */
export async function confinementOf(pid: number, proc = '/proc'): Promise<Confinement> {
  const text = await readFile(join(proc, String(pid), 'status'), 'utf8')
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
