import { existsSync, mkdirSync } from 'node:fs'
import { mount, mountFlags, type MountPoint } from '../system/libc.ts'

const { nosuid, nodev, noexec } = mountFlags
const closed = nosuid | nodev | noexec

/** Everything that is mounted before the disk. The kernel has mounted devtmpfs on /dev itself. */
const points: readonly MountPoint[] = [
  { source: 'proc', target: '/proc', type: 'proc', flags: closed },
  { source: 'sysfs', target: '/sys', type: 'sysfs', flags: closed },
  { source: 'tmpfs', target: '/run', type: 'tmpfs', flags: nosuid | nodev, options: 'mode=0755,size=64m' },
  { source: 'tmpfs', target: '/tmp', type: 'tmpfs', flags: closed, options: 'mode=1777,size=64m' },
  {
    source: 'devpts',
    target: '/dev/pts',
    type: 'devpts',
    flags: nosuid | noexec,
    options: 'mode=0600,ptmxmode=0666',
  },
  { source: 'tmpfs', target: '/dev/shm', type: 'tmpfs', flags: closed, options: 'mode=1777,size=16m' },
  { source: 'cgroup2', target: '/sys/fs/cgroup', type: 'cgroup2', flags: closed },
]

/** What only some machines have. */
const optionalPoints: readonly MountPoint[] = [
  { source: 'efivarfs', target: '/sys/firmware/efi/efivars', type: 'efivarfs', flags: closed },
  { source: 'pstore', target: '/sys/fs/pstore', type: 'pstore', flags: closed },
]

/** Mounts the kernel's file systems and the writable ones in memory. */
export function mountAll(): void {
  for (const point of points) {
    mkdirSync(point.target, { recursive: true })
    mount(point)
  }
  for (const point of optionalPoints) if (existsSync(point.target)) mount(point)
}
