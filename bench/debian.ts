import { chmod, mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openApt } from '../image/debian/apt.ts'
import { downloadWithDependencies, unpack } from '../image/debian/packages.ts'
import { tool } from '../image/step.ts'

const packages = [
  'base-files',
  'bash',
  'coreutils',
  'dbus',
  'libc-bin',
  'login',
  'mount',
  'systemd-sysv',
  'udev',
  'util-linux',
]
const diskBytes = 1024 ** 3

/**
 * Makes a disk with a minimal Debian 13 that has systemd as PID 1: one ext4 file system, no partition table, as
 * after its first boot (users made, nothing left to update). Needs root for the owners of files.
 */
export async function makeDebianDisk(folder: string): Promise<string> {
  const tree = join(folder, 'debian')
  for (const one of await downloadWithDependencies(await openApt(), packages)) await unpack(one, tree)
  await configure(tree)
  // Without its cache systemd would run it at every boot.
  await tool('ldconfig', ['-r', tree])
  await markUpdated(tree)
  const image = join(folder, 'debian.img')
  await writeFile(image, '')
  await tool('truncate', ['--size', String(diskBytes), image])
  await tool('mke2fs', ['-q', '-t', 'ext4', '-d', tree, image])
  return image
}

/** What the installer and the first boot would have left: no package script was run. */
async function configure(tree: string): Promise<void> {
  const { users, groups } = accounts(await sysusers(tree))
  const network = '[Match]\nType=ether\n[Network]\nDHCP=yes\n'
  const files = {
    'etc/passwd': users,
    'etc/group': groups,
    'etc/machine-id': `${'0123456789abcdef'.repeat(2)}\n`,
    'etc/hostname': 'debian\n',
    'etc/systemd/network/ethernet.network': network,
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await writeFile(join(tree, path), text)
  }
  const wants = join(tree, 'etc/systemd/system/multi-user.target.wants')
  await mkdir(wants, { recursive: true })
  await symlink('/usr/lib/systemd/system/systemd-networkd.service', join(wants, 'systemd-networkd.service'))
  for (const name of ['dev', 'proc', 'sys', 'run', 'tmp', 'root', 'var/tmp', 'var/log'])
    await mkdir(join(tree, name), { recursive: true })
  await chmod(join(tree, 'tmp'), 0o1777)
}

/** systemd compares these times with /usr's and repeats the work of a first boot if they are older. */
async function markUpdated(tree: string): Promise<void> {
  await utimes(join(tree, 'usr'), 1_700_000_000, 1_700_000_000)
  for (const path of ['etc/.updated', 'var/.updated'])
    await writeFile(join(tree, path), 'TIMESTAMP_NSEC=1700000000000000000\n')
  for (const path of ['etc/.updated', 'var/.updated'])
    await utimes(join(tree, path), 1_700_000_000, 1_700_000_000)
}

async function sysusers(tree: string): Promise<string> {
  const folder = join(tree, 'usr/lib/sysusers.d')
  const files = (await readdir(folder)).filter(name => name.endsWith('.conf')).sort()
  return (await Promise.all(files.map(name => readFile(join(folder, name), 'utf8')))).join('\n')
}

/** passwd(5) and group(5) for the `u` and `g` lines of sysusers.d(5); numbers that are left open go down from 990. */
export function accounts(text: string): { readonly users: string; readonly groups: string } {
  let next = 990
  const ids = new Map<string, number>([['root', 0]])
  const users = new Set(['root'])
  for (const line of text.split('\n')) {
    const [, kind, name, id] = /^([ug])!?\s+(\S+)\s+(\S+)/.exec(line) ?? []
    if (name === undefined) continue
    const fixed = Number.parseInt(id ?? '-', 10)
    if (!ids.has(name)) ids.set(name, Number.isNaN(fixed) ? next-- : fixed)
    if (kind === 'u') users.add(name)
  }
  const entries = [...ids]
  return {
    users: entries
      .filter(([name]) => users.has(name))
      .map(([name, id]) => `${name}:x:${id}:${id}::/:/usr/sbin/nologin\n`)
      .join(''),
    groups: entries.map(([name, id]) => `${name}:x:${id}:\n`).join(''),
  }
}
