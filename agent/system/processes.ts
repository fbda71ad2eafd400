import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

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

function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\t(.*)$`, 'm').exec(status)?.[1] ?? ''
}
