import { type Manifest, parseManifest } from '../../../agent/services/manifest.ts'

type Example = {
  readonly name: string
  readonly uid?: number
  readonly port?: number
  readonly requires?: readonly string[]
}

/** A service for tests: probed every second when it starts, every 10 s later, stopped within 20 s. */
export function manifest({ name, uid = 1001, port = 1234, requires = [] }: Example): Manifest {
  const fields = {
    name,
    uid,
    requires,
    command: ['/usr/bin/program', '-id=${nodeId}', '${dataDir}'],
    ports: [{ port, protocol: 'tcp', on: 'loopback' }],
    readiness: { tcp: { port, send: '00' } },
    stop: { signal: 'TERM', graceS: 20 },
    limits: { memoryMib: 64, cpus: 0.5, pids: 16, files: 256 },
    syscalls: [],
    egress: [],
    capabilities: [],
  }
  return parseManifest(JSON.stringify(fields), name)
}
