import { nodeStates, type ServiceStatus, type Status } from '../../protocol/status.ts'

type Families = Readonly<Record<string, readonly [type: string, help: string, rows: readonly string[]]>>

/** The status as Prometheus text (exposition format 0.0.4). */
export function metricsText(status: Status): string {
  return Object.entries({ ...nodeFamilies(status), ...serviceFamilies(status) })
    .map(([name, [type, help, rows]]) =>
      [`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`, ...rows.map(row => `${name}${row}\n`)].join(''),
    )
    .join('')
}

function nodeFamilies(status: Status): Families {
  return {
    orama_uptime_seconds: ['gauge', 'Seconds since the kernel started.', [` ${status.uptimeS}`]],
    orama_build_info: [
      'gauge',
      'Version and slot that run.',
      [`{version="${status.version}",slot="${status.slot}",build="${status.buildKind}"} 1`],
    ],
    orama_state: [
      'gauge',
      'The state of the node: 1 for the present one.',
      nodeStates.map(name => `{state="${name}"} ${name === status.state ? 1 : 0}`),
    ],
    orama_agent_memory_bytes: ['gauge', 'Resident memory of the agent.', [` ${process.memoryUsage.rss()}`]],
    ...shareFamilies(status.shares),
    orama_audit_up: [
      'gauge',
      'Whether denied system calls are counted.',
      status.audit === undefined ? [] : [` ${Number(status.audit === 'on')}`],
    ],
    orama_audit_lost_total: [
      'counter',
      'Records of denied system calls that the kernel threw away.',
      status.audit === 'on' ? [` ${status.deniedLost ?? 0}`] : [],
    ],
  }
}

/** Of a node that says nothing of its shares there is nothing. */
function shareFamilies(shares: Status['shares']): Families {
  if (shares === undefined) return {}
  const { mode, guardians = [], trouble = [], members, threshold } = shares
  const count = (reachable: boolean) => guardians.filter(one => one.reachable === reachable).length
  const isShared = mode === 'shares'
  return {
    orama_cluster_members: ['gauge', 'Nodes of the cluster, this one among them.', [` ${members}`]],
    orama_secret_shared: [
      'gauge',
      'Whether guardians have the secret of the disk (1) or its owner (0).',
      [` ${Number(isShared)}`],
    ],
    orama_guardians: [
      'gauge',
      'Guardians of this node, by whether they answered when they were last asked.',
      isShared ? [true, false].map(one => `{reachable="${one}"} ${count(one)}`) : [],
    ],
    orama_guardians_needed: [
      'gauge',
      'So many guardians open the disk.',
      threshold === undefined ? [] : [` ${threshold}`],
    ],
    orama_shares_trouble: ['gauge', 'How much of the shares a person has to mend.', [` ${trouble.length}`]],
  }
}

function serviceFamilies(status: Status): Families {
  const services = Object.entries(status.services)
  /** One row a service, where the value is known. */
  const perService = (value: (service: ServiceStatus) => number | undefined) =>
    services.flatMap(([name, service]) => {
      const found = value(service)
      return found === undefined ? [] : [`{service="${name}"} ${found}`]
    })
  return {
    orama_service_ready: [
      'gauge',
      'Whether a service is ready.',
      perService(({ state }) => (state === 'ready' ? 1 : 0)),
    ],
    orama_service_restarts_total: [
      'counter',
      'How often a service was started again.',
      perService(({ restarts }) => restarts),
    ],
    orama_service_memory_bytes: [
      'gauge',
      'Memory of the cgroup of a service.',
      perService(({ memoryBytes }) => memoryBytes),
    ],
    orama_service_cpu_seconds_total: [
      'counter',
      'Processor time of the present sandbox of a service.',
      perService(({ cpuS }) => cpuS),
    ],
    orama_service_probe_good: [
      'gauge',
      'Whether the last probe of a service was answered.',
      perService(({ lastProbe }) => (lastProbe === undefined ? undefined : Number(lastProbe.good))),
    ],
    orama_service_seccomp_enforced: [
      'gauge',
      'Whether calls that the filter of a service does not allow fail (1) or are only noted (0).',
      perService(({ seccomp }) => (seccomp === undefined ? undefined : Number(seccomp === 'enforce'))),
    ],
    orama_service_denied_calls_total: [
      'counter',
      'System calls that the filter of a service did not allow.',
      services.flatMap(([service, { denied }]) =>
        Object.entries(denied ?? {}).map(
          ([name, count]) => `{service="${service}",syscall="${name}"} ${count}`,
        ),
      ),
    ],
  }
}
