import t from 'tap'
import { metricsText } from '../../../agent/command/metrics.ts'
import type { Status } from '../../../protocol/status.ts'
import { sampleStatus } from './sample-status.ts'

const { rqlite, other } = sampleStatus.services
if (rqlite === undefined || other === undefined) throw new Error('the sample has lost its services')
const status: Status = {
  ...sampleStatus,
  audit: 'on',
  deniedLost: 7,
  shares: {
    mode: 'shares',
    epoch: `3-${'ab'.repeat(16)}`,
    threshold: 3,
    guardians: [
      { nodeId: 'nabcdefghijklmnop', reachable: true },
      { nodeId: 'nabcdefghijklmnoq', reachable: true },
      { nodeId: 'nabcdefghijklmnor', reachable: false },
    ],
    trouble: ['one'],
    members: 4,
  },
  services: {
    rqlite: {
      ...rqlite,
      cpuS: 1.5,
      lastProbe: { at: '2026-11-21T08:00:00Z', good: true },
      seccomp: 'audit',
      denied: { mount: 1000, ptrace: 1 },
    },
    other,
  },
}

t.test('metrics have the shape that Prometheus reads', async t => {
  const lines = metricsText(status).split('\n')
  t.equal(lines.pop(), '', 'the last line is ended')
  const sample = /^[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? -?\d+(\.\d+)?$/
  for (const line of lines) t.ok(/^# (HELP|TYPE) [a-z_]+ ./.test(line) || sample.test(line), line)
  const types = lines.filter(line => line.startsWith('# TYPE'))
  t.equal(new Set(types).size, types.length, 'each family once')
})

const values = [
  'orama_uptime_seconds 12',
  'orama_build_info{version="0.1.0",slot="A",build="development"} 1',
  'orama_state{state="ready"} 1',
  'orama_state{state="locked"} 0',
  'orama_service_ready{service="rqlite"} 1',
  'orama_service_ready{service="other"} 0',
  'orama_service_restarts_total{service="rqlite"} 2',
  'orama_service_memory_bytes{service="rqlite"} 4096',
  'orama_service_cpu_seconds_total{service="rqlite"} 1.5',
  'orama_service_probe_good{service="rqlite"} 1',
  'orama_service_seccomp_enforced{service="rqlite"} 0',
  'orama_service_denied_calls_total{service="rqlite",syscall="mount"} 1000',
  'orama_service_denied_calls_total{service="rqlite",syscall="ptrace"} 1',
  'orama_cluster_members 4',
  'orama_secret_shared 1',
  'orama_guardians{reachable="true"} 2',
  'orama_guardians{reachable="false"} 1',
  'orama_guardians_needed 3',
  'orama_shares_trouble 1',
  'orama_audit_up 1',
  'orama_audit_lost_total 7',
]
for (const value of values)
  t.test(`metrics say ${value}`, async t => t.ok(metricsText(status).split('\n').includes(value)))

t.test('metrics do not say what is not known', async t => {
  for (const name of ['memory_bytes', 'cpu_seconds_total', 'probe_good', 'seccomp_enforced'])
    t.notMatch(metricsText(status), `orama_service_${name}{service="other"}`)
  t.notMatch(metricsText(sampleStatus), /orama_(cluster|secret|guardians|shares)/)
  const alone = metricsText({ ...sampleStatus, shares: { mode: 'escrow', members: 1 } })
  t.notMatch(alone, /^orama_guardians/m)
  t.match(alone, /^orama_secret_shared 0$/m)
  const blind = metricsText({ ...status, audit: 'unavailable' })
  t.notMatch(blind, /^orama_audit_lost_total /m)
  t.match(blind, /^orama_audit_up 0$/m)
})
