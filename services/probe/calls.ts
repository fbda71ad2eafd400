import ffi from 'node:ffi'
import { constants } from 'node:os'

export const { functions: libc } = ffi.dlopen('libc.so.6', {
  // Variadic in C; on this processor its arguments go the same way as others.
  syscall: { arguments: ['i64', 'u64', 'u64', 'u64', 'u64', 'u64', 'u64'], return: 'i64' },
  fork: { arguments: [], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  pause: { arguments: [], return: 'i32' },
  memfd_create: { arguments: ['string', 'u32'], return: 'i32' },
  waitpid: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
})
const errnoAt = libc.__errno_location()

/** Numbers of system calls, x86-64. */
export const numbers = {
  ptrace: 101,
  syslog: 103,
  setuid: 105,
  mknod: 133,
  personality: 135,
  pivot_root: 155,
  chroot: 161,
  acct: 163,
  settimeofday: 164,
  mount: 165,
  umount2: 166,
  swapon: 167,
  reboot: 169,
  sethostname: 170,
  iopl: 172,
  init_module: 175,
  quotactl: 179,
  kexec_load: 246,
  add_key: 248,
  keyctl: 250,
  unshare: 272,
  perf_event_open: 298,
  name_to_handle_at: 303,
  open_by_handle_at: 304,
  setns: 308,
  process_vm_readv: 310,
  finit_module: 313,
  kexec_file_load: 320,
  bpf: 321,
  userfaultfd: 323,
  io_uring_setup: 425,
  clone3: 435,
} as const

export const socketNumber = 41
const cloneNumber = 56

/** Makes a system call with these numbers and zeros; 'done', or the name of its error. */
export function call(number: number, ...given: readonly number[]): string {
  const all = [0, 1, 2, 3, 4, 5].map(index => BigInt(given[index] ?? 0))
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = all
  return outcome(libc.syscall(BigInt(number), a, b, c, d, e, f))
}

export function socket(family: number, type: number, protocol: number): string {
  return call(socketNumber, family, type, protocol)
}

/** A new file in memory: its descriptor, or the name of the error. */
export function memoryFile(flags: number): number | string {
  const fd = libc.memfd_create('program', flags)
  return fd < 0 ? errorName() : fd
}

/** clone(2) with flags and nothing else; a child that there should not be only waits. */
export function clone(flags: number): string {
  const pid = libc.syscall(BigInt(cloneNumber), BigInt(flags), 0n, 0n, 0n, 0n, 0n)
  if (pid === 0n) for (;;) libc.pause()
  return outcome(pid)
}

const children: number[] = []

const forksMax = 2000

/** Forks until it is refused: the name of the error. The children only wait. */
export function forkUntilRefused(): string {
  while (children.length < forksMax) {
    const pid = libc.fork()
    if (pid === 0) for (;;) libc.pause()
    if (pid < 0) return errorName()
    children.push(pid)
  }
  return 'done'
}

/** Ends what `forkUntilRefused` has started. */
export function endForks(): void {
  for (const pid of children.splice(0)) {
    process.kill(pid, 'SIGKILL')
    libc.waitpid(pid, Buffer.alloc(8), 0)
  }
}

function outcome(result: bigint): string {
  return result >= 0n ? 'done' : errorName()
}

/** Of the last call that failed. */
export function errorName(): string {
  const errno = ffi.getInt32(errnoAt, 0)
  return errnoName(errno) ?? `errno ${errno}`
}

export function errnoName(errno: number): string | undefined {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0]
}
