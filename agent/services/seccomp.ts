import type { SeccompMode } from '../../protocol/requests.ts'

/** `linux.seccomp` of an OCI config.json. */
export type SeccompProfile = {
  readonly defaultAction: 'SCMP_ACT_ERRNO' | 'SCMP_ACT_LOG'
  readonly defaultErrnoRet?: number
  readonly architectures: readonly ['SCMP_ARCH_X86_64']
  readonly flags: readonly string[]
  readonly syscalls: readonly SeccompRule[]
}

export type SeccompRule = {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO'
  readonly errnoRet?: number
  readonly args?: readonly SeccompArgument[]
}

type SeccompArgument = {
  readonly index: number
  readonly value: number
  readonly valueTwo?: number
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ'
}

const eperm = 1
const enosys = 38

/**
 * What programs written in Go or for Node need, by topic. Not in it, among others: mount, bpf, ptrace, keys,
 * namespaces, other processes' memory, the clock, kernel modules, and every call that changes the user.
 */
const base: Readonly<Record<string, readonly string[]>> = {
  process:
    words(`exit exit_group getpid getppid gettid getpgrp getpgid setpgid getsid setsid fork vfork execve wait4
    waitid kill tgkill tkill pidfd_open pidfd_send_signal arch_prctl prctl set_tid_address restart_syscall`),
  memory:
    words(`brk mmap munmap mremap mprotect madvise mincore msync mlock mlock2 munlock membarrier memfd_create
    pkey_alloc pkey_free pkey_mprotect`),
  io: words(`read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 lseek sendfile copy_file_range
    splice tee fsync fdatasync sync_file_range fallocate fadvise64 ftruncate truncate close close_range dup dup2 dup3
    fcntl flock ioctl pipe pipe2`),
  files:
    words(`open openat openat2 creat stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2
    getcwd chdir fchdir readlink readlinkat getdents64 mkdir mkdirat rmdir rename renameat renameat2 link linkat unlink
    unlinkat symlink symlinkat chmod fchmod fchmodat fchmodat2 chown fchown fchownat lchown umask utimensat futimesat
    utimes inotify_init1 inotify_add_watch inotify_rm_watch getxattr lgetxattr fgetxattr`),
  events:
    words(`poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
    eventfd eventfd2 timerfd_create timerfd_settime timerfd_gettime signalfd4`),
  network:
    words(`socketpair bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt sendto
    recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown`),
  signals: words(`rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigpending rt_sigtimedwait
    rt_sigqueueinfo sigaltstack pause alarm`),
  time: words(`clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times timer_create timer_settime
    timer_gettime timer_getoverrun timer_delete setitimer getitimer`),
  threads: words(`futex futex_waitv set_robust_list get_robust_list rseq sched_yield sched_getaffinity
    sched_setaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min getpriority
    setpriority getcpu`),
  identity: words(`getuid geteuid getgid getegid getresuid getresgid getgroups capget uname sysinfo getrlimit
    setrlimit prlimit64 getrusage getrandom`),
}

const defaults = {
  enforce: { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: eperm },
  audit: { defaultAction: 'SCMP_ACT_LOG' },
} as const

/** CLONE_NEW* for mount, cgroup, uts, ipc, user, pid and net. */
const namespaceFlags = 0x7e02_0000

/** A kernel may be asked for these by AF_UNIX, AF_INET and, to list interfaces, AF_NETLINK of type route only. */
const sockets: readonly (readonly SeccompArgument[])[] = [
  [equal(0, 1)],
  [equal(0, 2)],
  [equal(0, 16), equal(2, 0)],
]

/**
 * Refusals with an errno reach the audit log only with the first. The second is what crun sets where no flags are
 * given: without it every service would pay for a mitigation that its own threads do not need.
 */
const flags = ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW']

/**
 * The filter of one service. Enforced, everything that is not listed fails with EPERM, which programs survive; in
 * audit mode it is carried out and noted. What runtimes try first and have a way around fails with ENOSYS in both:
 * else audit mode would see another way than the one that is taken later. `extra` are the manifest's own calls.
 */
export function seccompProfile(extra: readonly string[], mode: SeccompMode): SeccompProfile {
  const names = [...new Set([...Object.values(base).flat(), ...extra])].sort()
  return {
    ...defaults[mode],
    architectures: ['SCMP_ARCH_X86_64'],
    flags,
    syscalls: [
      { names, action: 'SCMP_ACT_ALLOW' },
      { names: ['clone'], action: 'SCMP_ACT_ALLOW', args: [masked(0, namespaceFlags, 0)] },
      ...sockets.map(args => ({ names: ['socket'], action: 'SCMP_ACT_ALLOW' as const, args })),
      // The flags of clone3 lie in memory, where a filter cannot look: libraries then use clone.
      refuse(['clone3', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'], enosys),
    ],
  }
}

function refuse(names: readonly string[], errnoRet: number): SeccompRule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet }
}

function equal(index: number, value: number): SeccompArgument {
  return { index, value, op: 'SCMP_CMP_EQ' }
}

function masked(index: number, mask: number, value: number): SeccompArgument {
  return { index, value: mask, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' }
}

function words(text: string): string[] {
  return text.split(/\s+/)
}
