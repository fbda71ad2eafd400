import { outside, outsideName } from '../support/node.ts'

/** What the hostile probe tries, and what has to come of it: 'done', the name of an error, or what it sees. */
export type Row = readonly [
  what: string,
  attempt: string,
  words: readonly (string | number)[],
  outcome: string,
]

const node = '10.0.0.1'
const testHost = '192.0.2.1'
const data = '/opt/orama/.orama'
const cloneUserNamespace = 0x1000_0000
const cloneChildSignal = 17
const mfdExec = 16
const [inet, inet6, netlink, packet, vsock] = [2, 10, 16, 17, 40]
const [stream, raw] = [1, 3]

/** Calls that no filter of a service allows. */
export const deniedCalls = [
  ...['mount', 'umount2', 'pivot_root', 'chroot', 'unshare', 'setns', 'setuid', 'personality', 'ptrace'],
  ...['process_vm_readv', 'bpf', 'perf_event_open', 'userfaultfd', 'add_key', 'keyctl', 'kexec_load'],
  ...[
    'kexec_file_load',
    'init_module',
    'finit_module',
    'reboot',
    'iopl',
    'swapon',
    'quotactl',
    'acct',
    'syslog',
  ],
  ...['mknod', 'name_to_handle_at', 'open_by_handle_at', 'sethostname', 'settimeofday'],
] as const

const noCapabilities = '0000000000000000'

/** What the sandbox is from inside; `keys` is what a masked file says. */
const self = [
  'environment: HOME PATH TMPDIR',
  'devices: full null random tty urandom zero',
  'own namespaces: cgroup ipc pid uts',
  'host: probe',
  'cgroup: 0::/',
  'keys:',
  'oom score: 500',
  ...['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(name => `${name}: ${noCapabilities}`),
  'NoNewPrivs: 1',
  'Seccomp: 2',
  'Uid: 1900 1900 1900 1900',
  'Groups:',
  'Max open files: 256 256',
  'Max core file size: 0 0',
  'Max locked memory: 1048576 1048576',
].join('\n')

/** Rows that change nothing where they fail. */
export const rows: readonly Row[] = [
  ['sees its own data folder alone', 'list', [`${data}/data`], 'probe'],
  ["reads another service's data", 'list', [`${data}/data/rqlite`], 'ENOENT'],
  ["reads another service's data through a link of its own", 'link', [`${data}/data/rqlite`], 'ENOENT'],
  ["reads another service's settings", 'list', ['/run/orama'], 'ENOENT'],
  ["reads another service's log", 'read', [`${data}/logs/rqlite.log`], 'ENOENT'],
  ['reads the record and the cluster secret', 'list', [`${data}/agent`], 'ENOENT'],
  ['reads the LUKS header with its tokens', 'read', ['/run/luks-header'], 'ENOENT'],
  ['reads the disk', 'read', ['/dev/vda'], 'ENOENT'],
  ['reads the partition with the LUKS header', 'read', ['/dev/vda4'], 'ENOENT'],
  ['reads the open volume', 'read', ['/dev/mapper/orama-data'], 'ENOENT'],
  ['reads the volume by its number', 'read', ['/dev/dm-1'], 'ENOENT'],
  ['reads memory', 'read', ['/dev/mem'], 'ENOENT'],
  ['reads ports', 'read', ['/dev/port'], 'ENOENT'],
  ['reads the kernel log', 'read', ['/dev/kmsg'], 'ENOENT'],
  ['reads the memory of the kernel', 'read', ['/proc/kcore'], 'ENOENT'],
  ['reads firmware variables', 'list', ['/sys/firmware'], 'ENOENT'],
  [
    'sees itself alone',
    'processes',
    [],
    '/usr/bin/node --no-warnings /usr/lib/orama/services/probe/probe.ts 10.0.0.1 ',
  ],
  ['finds of itself what its sandbox is', 'self', [], self],
  ['opens more files than it may', 'files', [], 'EMFILE'],
  ['writes into the image', 'write', ['/etc/passwd'], 'EROFS'],
  ['writes a program', 'write', ['/usr/bin/sh'], 'EROFS'],
  ['writes beside its folder', 'write', [`${data}/data/x`], 'EACCES'],
  ['writes into /run', 'write', ['/run/x'], 'EACCES'],
  ['writes a device', 'write', ['/dev/x'], 'EACCES'],
  ['writes settings of the kernel', 'write', ['/proc/sys/kernel/panic'], 'EROFS'],
  ['fills /tmp', 'fill-memory-disk', ['/tmp'], '64 MiB, then ENOSPC'],
  ['fills shared memory', 'fill-memory-disk', ['/dev/shm'], '16 MiB, then ENOSPC'],
  ['asks for a reset', 'write', ['/proc/sysrq-trigger'], 'ENOENT'],
  ['starts a program of its own', 'execute', [], 'EACCES'],
  ['starts a program that lies in memory', 'execute-memory', [0], 'EACCES'],
  ['makes a file in memory that can be executed', 'execute-memory', [mfdExec], 'EACCES'],
  ...deniedCalls.map((name): Row => [`calls ${name}`, 'call', [name], 'EPERM']),
  ['makes a user namespace', 'clone', [cloneUserNamespace + cloneChildSignal], 'EPERM'],
  ['makes one by clone3, where no filter can look', 'call', ['clone3'], 'ENOSYS'],
  ['goes around the filter by io_uring', 'call', ['io_uring_setup'], 'ENOSYS'],
  ['opens a raw socket', 'socket', [inet, raw, 1], 'EPERM'],
  ['opens a packet socket', 'socket', [packet, raw, 0], 'EPERM'],
  ['reads the audit log', 'socket', [netlink, raw, 9], 'EPERM'],
  ['talks to the host of the machine', 'socket', [vsock, stream, 0], 'EPERM'],
  ['uses IPv6', 'socket', [inet6, stream, 0], 'EPERM'],
  ['signals every number', 'signal-others', [], 'ESRCH'],
  ['signals all', 'signal-all', [], 'ESRCH'],
  ['listens on a low port', 'listen', [node, 443], 'EACCES'],
  ["listens on the agent's port", 'listen', [node, 9998], 'EADDRINUSE'],
  ['calls the agent', 'connect', [node, 9998], 'ECONNREFUSED'],
  ['calls the agent on loopback', 'connect', ['127.0.0.1', 9998], 'ECONNREFUSED'],
  ['calls another service', 'connect', [node, 10_100], 'ECONNREFUSED'],
  [
    'asks the DNS server of the node, which it requires, for a name outside',
    'resolve',
    [outsideName],
    outside,
  ],
  ['asks a DNS server outside', 'datagram', [testHost, 53], 'EPERM'],
  ['calls an address of the cluster that nobody has', 'connect', ['10.0.0.2', 22], 'EHOSTUNREACH'],
  ['calls itself', 'connect', [node, 10_190], 'done'],
]
