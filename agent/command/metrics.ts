import { nodeStates, type Status } from '../../protocol/status.ts'

/** The status as Prometheus text (exposition format 0.0.4). */
export function metricsText(status: Status): string {
  const services = Object.entries(status.services)
  const families: Readonly<Record<string, readonly [type: string, help: string, rows: readonly string[]]>> = {
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
    orama_service_ready: [
      'gauge',
      'Whether a service is ready.',
      services.map(([name, s]) => `{service="${name}"} ${s.state === 'ready' ? 1 : 0}`),
    ],
    orama_service_restarts_total: [
      'counter',
      'How often a service was started again.',
      services.map(([name, s]) => `{service="${name}"} ${s.restarts}`),
    ],
    orama_service_memory_bytes: [
      'gauge',
      'Memory of the cgroup of a service.',
      services.flatMap(([name, { memoryBytes }]) =>
        memoryBytes === undefined ? [] : [`{service="${name}"} ${memoryBytes}`],
      ),
    ],
  }
  return Object.entries(families)
    .map(([name, [type, help, rows]]) =>
      [`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`, ...rows.map(row => `${name}${row}\n`)].join(''),
    )
    .join('')
}
