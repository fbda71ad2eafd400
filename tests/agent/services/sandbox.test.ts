import t from 'tap'
import { sandboxConfig } from '../../../agent/services/sandbox.ts'
import { seccompProfile } from '../../../agent/services/seccomp.ts'
import { manifest } from './example.ts'

const places = {
  root: '/run/orama/root',
  dataDir: '/opt/orama/.orama/data/one',
  configFolder: '/run/orama/one/config',
  dataDevice: { major: 253, minor: 1 },
  socketFolder: '/run/orama/sockets',
}
const values = {
  nodeId: 'n1',
  wireguardAddress: '10.0.0.1',
  dataDir: places.dataDir,
  configDir: '/run/config',
}
const one = manifest({ name: 'one', uid: 1005 })
const config = sandboxConfig(one, places, values)

t.test('the program runs as its own user, with nothing to gain', async t => {
  t.match(config.process, {
    args: ['/usr/bin/program', '-id=n1', places.dataDir],
    user: { uid: 1005, gid: 1005, additionalGids: [] },
    noNewPrivileges: true,
    terminal: false,
  })
  const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] }
  t.same(config.process['capabilities'], none)
})

t.test('a capability is given only where the manifest has it', async t => {
  const open = sandboxConfig({ ...one, capabilities: ['CAP_NET_BIND_SERVICE'] }, places, values)
  t.match(open.process['capabilities'], {
    bounding: ['CAP_NET_BIND_SERVICE'],
    ambient: ['CAP_NET_BIND_SERVICE'],
  })
})

t.test('it has its own namespaces but the network, which the firewall divides', async t =>
  t.same(
    (config.linux['namespaces'] as { type: string }[]).map(n => n.type),
    ['mount', 'pid', 'ipc', 'uts', 'cgroup'],
  ),
)

t.test('limits become cgroup values', async t =>
  t.same(config.linux['resources'], {
    memory: { limit: 67_108_864 },
    cpu: { period: 100_000, quota: 50_000 },
    pids: { limit: 16 },
    blockIO: {
      throttleReadBpsDevice: [{ major: 253, minor: 1, rate: 536_870_912 }],
      throttleWriteBpsDevice: [{ major: 253, minor: 1, rate: 268_435_456 }],
      throttleReadIOPSDevice: [{ major: 253, minor: 1, rate: 20_000 }],
      throttleWriteIOPSDevice: [{ major: 253, minor: 1, rate: 20_000 }],
    },
  }),
)

t.test(
  'open files, core files, locked memory and message queues are limited, and cannot be raised',
  async t =>
    t.same(config.process['rlimits'], [
      { type: 'RLIMIT_NOFILE', hard: 256, soft: 256 },
      { type: 'RLIMIT_CORE', hard: 0, soft: 0 },
      { type: 'RLIMIT_MEMLOCK', hard: 1_048_576, soft: 1_048_576 },
      { type: 'RLIMIT_MSGQUEUE', hard: 0, soft: 0 },
    ]),
)

t.test('it is killed for memory before the agent', async t => t.equal(config.process['oomScoreAdj'], 500))

const masked = ['acpi', 'kcore', 'keys', 'latency_stats', 'sched_debug', 'scsi', 'timer_list', 'kmsg']
for (const [kind, names] of [
  ['maskedPaths', masked],
  ['readonlyPaths', ['asound', 'bus', 'fs', 'irq', 'sys', 'sysrq-trigger']],
] as const)
  t.test(`the ${kind} of /proc`, async t =>
    t.same(
      config.linux[kind],
      names.map(name => `/proc/${name}`),
    ),
  )

t.test('one folder is writable, the root is not', async t => {
  t.same(config.root, { path: '/run/orama/root', readonly: true })
  const binds = config.mounts.filter(m => m.type === 'bind')
  t.same(
    binds.filter(m => m.options.includes('rw')).map(m => m.destination),
    [places.dataDir],
  )
  t.same(
    binds.filter(m => !m.options.includes('rw') && !m.options.includes('ro')),
    [],
  )
})

t.test('what the node keeps in /run and /opt is hidden before anything is put there', async t => {
  const order = config.mounts.map(m => m.destination)
  for (const [hidden, shown] of [
    ['/run', '/run/config'],
    ['/opt', places.dataDir],
  ] as const) {
    t.equal(config.mounts.find(m => m.destination === hidden)?.type, 'tmpfs')
    t.ok(order.indexOf(hidden) < order.indexOf(shown))
  }
  t.notOk(order.includes('/sys'))
})

t.test('no mount can hold devices or SUID programs, and what is writable holds no programs', async t => {
  for (const { destination, options } of config.mounts) {
    t.ok(options.includes('nosuid'), destination)
    if (destination !== '/dev') t.ok(options.includes('nodev'), destination)
    t.ok(options.includes('noexec'), destination)
  }
})

t.test('a word of the command of which nothing is left is left out', async t => {
  const listing = { ...one, command: ['/usr/bin/program', '${join}', '-x=${join}'] as [string, ...string[]] }
  t.same(sandboxConfig(listing, places, { ...values, join: '' }).process.args, ['/usr/bin/program', '-x='])
  t.same(sandboxConfig(listing, places, { ...values, join: '-j' }).process.args[1], '-j')
})

t.test('a placeholder without a value is refused, in command and environment', async t => {
  const command = ['/usr/bin/program', '${password}'] as [string, ...string[]]
  t.throws(() => sandboxConfig({ ...one, command }, places, values), { name: 'RangeError' })
  const environment = { PASSWORD: '${password}' }
  t.throws(() => sandboxConfig({ ...one, environment }, places, values), { name: 'RangeError' })
})

t.test('a file in the data folder is mounted over it, read-only, after it', async t => {
  const files = { config: { text: '', inDataDir: 'settings' }, other: { text: '' } }
  const { mounts } = sandboxConfig({ ...one, files }, places, values)
  const last = mounts.at(-1)
  t.match(last, { source: `${places.configFolder}/config`, destination: `${places.dataDir}/settings` })
  t.ok(last?.options.includes('ro'))
  t.equal(mounts.length, config.mounts.length + 1)
})

const profile = seccompProfile(['mlockall'], 'enforce')
const allowed = new Set(
  profile.syscalls.filter(r => r.action === 'SCMP_ACT_ALLOW' && !r.args).flatMap(r => r.names),
)

const forbidden = `mount umount2 pivot_root chroot move_mount fsopen open_tree bpf ptrace process_vm_readv
  process_vm_writev kexec_load init_module finit_module delete_module unshare setns clone clone3 socket io_uring_setup
  userfaultfd perf_event_open add_key keyctl request_key setuid setgid setresuid setgroups capset personality reboot
  swapon settimeofday clock_settime adjtimex sethostname mknod mknodat open_by_handle_at quotactl acct syslog iopl
  ioperm pidfd_getfd kcmp name_to_handle_at seccomp vmsplice nfsservctl lookup_dcookie`
for (const name of forbidden.split(/\s+/))
  t.test(`the filter does not simply allow ${name}`, async t => t.notOk(allowed.has(name)))

t.test('what is not listed fails with EPERM; what runtimes can do without, with ENOSYS', async t => {
  t.match(profile, {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    architectures: ['SCMP_ARCH_X86_64'],
  })
  const refusal = profile.syscalls.find(r => r.action === 'SCMP_ACT_ERRNO')
  t.match(refusal, {
    errnoRet: 38,
    names: ['clone3', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'],
  })
})

t.test('a clone without namespaces and sockets of three families are allowed', async t => {
  const clone = profile.syscalls.find(r => r.names.includes('clone'))
  t.same(clone?.args, [{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }])
  const families = profile.syscalls.filter(r => r.names.includes('socket')).map(r => r.args?.[0]?.value)
  t.same(families, [1, 2, 16])
})

t.test("the manifest's own calls are added, each name stands once", async t => {
  t.ok(allowed.has('mlockall'))
  const names = profile.syscalls[0]?.names ?? []
  t.equal(new Set(names).size, names.length)
  t.same(seccompProfile(['read'], 'enforce'), seccompProfile([], 'enforce'))
})

t.test('audit mode allows what enforce refuses, notes it, and takes the same ways around', async t => {
  const audit = seccompProfile(['mlockall'], 'audit')
  t.equal(audit.defaultAction, 'SCMP_ACT_LOG')
  t.notOk('defaultErrnoRet' in audit)
  t.same(audit.syscalls, profile.syscalls)
})

t.test('refusals are noted in both modes', async t => {
  for (const mode of ['enforce', 'audit'] as const)
    t.ok(seccompProfile([], mode).flags.includes('SECCOMP_FILTER_FLAG_LOG'), mode)
})

t.test('a sandbox enforces unless it is told to audit', async t => {
  t.equal(config.linux.seccomp.defaultAction, 'SCMP_ACT_ERRNO')
  const audited = sandboxConfig(one, { ...places, seccomp: 'audit' }, values)
  t.equal(audited.linux.seccomp.defaultAction, 'SCMP_ACT_LOG')
})

t.test('a service sees the sockets of the agent that its manifest names, and no others', async t => {
  const agent = (sockets: readonly 'shares'[]) =>
    sandboxConfig({ ...one, sockets: [...sockets] }, places, values).mounts.filter(mount =>
      mount.source.startsWith(places.socketFolder),
    )
  t.same(agent([]), [])
  t.match(agent(['shares']), [{ source: '/run/orama/sockets/shares', destination: '/run/agent/shares' }])
})

t.test('a service whose data lies in memory has no limits of a disk', async t => {
  const early = sandboxConfig(one, { ...places, dataDevice: undefined }, values)
  t.notOk('blockIO' in (early.linux['resources'] as object))
  t.ok('blockIO' in (config.linux['resources'] as object))
})
