import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { ffi } from './late.ts'

/**
 * The system calls that Node has no function for, by node:ffi. Loaded at the first call: a V8 snapshot that
 * touched node:ffi aborts, and tests import these files on machines where nothing may be called.
 */
const signatures = {
  mount: { arguments: ['string', 'string', 'string', 'u64', 'string'], return: 'i32' },
  umount2: { arguments: ['string', 'i32'], return: 'i32' },
  reboot: { arguments: ['i32'], return: 'i32' },
  sync: { arguments: [], return: 'void' },
  waitpid: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' },
  clock_settime: { arguments: ['i32', 'pointer'], return: 'i32' },
  clock_gettime: { arguments: ['i32', 'pointer'], return: 'i32' },
  sethostname: { arguments: ['string', 'u64'], return: 'i32' },
  prctl: { arguments: ['i32', 'u64', 'u64', 'u64', 'u64'], return: 'i32' },
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
  send: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
  recvfrom: { arguments: ['i32', 'pointer', 'u64', 'i32', 'pointer', 'pointer'], return: 'i64' },
  quotactl: { arguments: ['i32', 'string', 'i32', 'pointer'], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
} as const

function load() {
  return ffi().dlopen('libc.so.6', signatures).functions
}

let loaded: ReturnType<typeof load> | undefined
let errnoAt = 0n

function libc(): ReturnType<typeof load> {
  if (loaded === undefined) {
    loaded = load()
    errnoAt = loaded.__errno_location()
  }
  return loaded
}

/** A system call that returned -1; `code` is the name, such as 'EBUSY'. */
export class SystemCallError extends Error {
  readonly code: string
  constructor(call: string, errno: number) {
    const code = errorName(errno)
    super(`${call}: ${code}`)
    this.name = 'SystemCallError'
    this.code = code
  }
}

/** libuv names only the errors that it knows itself: ECHILD is none of them. */
function errorName(errno: number): string {
  const [name] = Object.entries(constants.errno).find(([, number]) => number === errno) ?? []
  return name ?? getSystemErrorName(-errno)
}

function check(result: number | bigint, call: string): number {
  if (Number(result) >= 0) return Number(result)
  throw new SystemCallError(call, ffi().getInt32(errnoAt, 0))
}

/** Flags of mount(2). */
export const mountFlags = {
  readonly: 1n,
  nosuid: 2n,
  nodev: 4n,
  noexec: 8n,
  remount: 32n,
  noatime: 1024n,
  bind: 4096n,
  private: 1n << 18n,
} as const

export type MountPoint = {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly flags?: bigint
  readonly options?: string
}

/** mount(2). Throws SystemCallError with the target in its message. */
export function mount(point: MountPoint): void {
  const { source, target, type, flags = 0n, options = '' } = point
  check(libc().mount(source, target, type, flags, options), `mount ${target}`)
}

/** umount2(2), not lazy: a busy file system is an error. */
export function unmount(target: string): void {
  check(libc().umount2(target, 0), `umount ${target}`)
}

/** sync(2) and reboot(2); does not return where the caller is PID 1. */
export function reboot(how: 'restart' | 'power-off'): void {
  libc().sync()
  check(libc().reboot(how === 'restart' ? 0x01234567 : 0x4321fedc), 'reboot')
}

/** sync(2): returns when everything written so far is on its device. */
export function syncAll(): void {
  libc().sync()
}

export type ExitStatus = {
  readonly pid: number
  readonly status: number | null
  readonly signal: number | null
}

/** waitpid(pid, WNOHANG): how the child ended, or undefined while it runs. Throws ECHILD for another's child. */
export function reap(pid: number): ExitStatus | undefined {
  const word = Buffer.alloc(8)
  const ended = check(libc().waitpid(pid, word, 1), `waitpid ${pid}`)
  if (ended === 0) return undefined
  const value = word.readInt32LE(0)
  const signal = value & 0x7f
  return {
    pid: ended,
    status: signal === 0 ? (value >> 8) & 0xff : null,
    signal: signal === 0 ? null : signal,
  }
}

/** ioctl(2) with a buffer that the kernel reads and writes. */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  return check(libc().ioctl(fd, BigInt(request), argument), `ioctl 0x${request.toString(16)}`)
}

/** clock_settime(CLOCK_REALTIME), milliseconds since 1970. */
export function setRealTimeMs(timeMs: number): void {
  const spec = Buffer.alloc(16)
  spec.writeBigInt64LE(BigInt(Math.floor(timeMs / 1000)), 0)
  spec.writeBigInt64LE(BigInt(Math.floor(timeMs % 1000)) * 1_000_000n, 8)
  check(libc().clock_settime(0, spec), 'clock_settime')
}

/** CLOCK_BOOTTIME in milliseconds: counts through suspend, and nobody can set it. */
export function bootTimeMs(): number {
  const spec = Buffer.alloc(16)
  check(libc().clock_gettime(7, spec), 'clock_gettime')
  return Number(spec.readBigInt64LE(0)) * 1000 + Number(spec.readBigInt64LE(8)) / 1e6
}

/** sethostname(2). */
export function setHostname(name: string): void {
  check(libc().sethostname(name, BigInt(Buffer.byteLength(name))), 'sethostname')
}

/** prctl(PR_SET_DUMPABLE, 0): no other process may read this one's memory. */
export function setUndumpable(): void {
  check(libc().prctl(4, 0n, 0n, 0n, 0n), 'prctl')
}

/**
 * prctl(PR_SET_MDWE): this process never again gets memory that it may execute and could ever write. Programs that it
 * starts begin without (PR_MDWE_NO_INHERIT). For a process without a just-in-time compiler.
 */
export function denyWritableCode(): void {
  const [refuseExecGain, noInherit] = [1n, 2n]
  check(libc().prctl(65, refuseExecGain | noInherit, 0n, 0n, 0n), 'prctl')
}

/** quotactl(2): `command` as QCMD() of linux/quota.h makes it, `device` the block device of the mounted file system. */
export function quotactl(
  command: number,
  of: { readonly device: string; readonly id: number },
  data: Uint8Array,
): void {
  check(libc().quotactl(command | 0, of.device, of.id, data), `quotactl ${of.device}`)
}

/** socket(2), closed at exec and never waiting; the number is for `closeSync` of node:fs to close. */
export function openSocket(family: number, type: number, protocol: number): number {
  const nonblock = 0o4000
  const cloexec = 0o2000000
  return check(libc().socket(family, type | nonblock | cloexec, protocol), 'socket')
}

export type SocketOption = { readonly level: number; readonly name: number }

/** setsockopt(2) with a 32-bit value. */
export function setSocketOption(fd: number, option: SocketOption, value: number): void {
  const word = Buffer.alloc(8)
  word.writeInt32LE(value)
  const { level, name } = option
  check(libc().setsockopt(fd, level, name, word, 4), `setsockopt ${level} ${name}`)
}

/** send(2) of one whole datagram. */
export function sendDatagram(fd: number, bytes: Uint8Array): void {
  check(libc().send(fd, bytes, BigInt(bytes.length), 0), 'send')
}

/**
 * recvfrom(2): the length of the next datagram, undefined where none waits. `from` is filled with the sender's
 * address. A datagram longer than the buffer is cut.
 */
export function receiveDatagram(fd: number, into: Uint8Array, from: Uint8Array): number | undefined {
  const addressBytes = Buffer.alloc(8)
  addressBytes.writeUInt32LE(from.length)
  const length = Number(libc().recvfrom(fd, into, BigInt(into.length), 0, from, addressBytes))
  if (length >= 0) return length
  const errno = ffi().getInt32(errnoAt, 0)
  // Asked many times a second, and mostly in vain: an error is made only for what is one.
  if (errno === constants.errno.EAGAIN || errno === constants.errno.EINTR) return undefined
  throw new SystemCallError('recvfrom', errno)
}
