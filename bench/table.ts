/** What is measured: its unit, the most that it may be (null: no goal), and how it is measured. */
type Kind = {
  readonly unit: string
  readonly goal: number | null
  /** The goal is the least that it may be. */
  readonly least?: true
  readonly how: string
}

export const kinds = {
  image_cold_s: {
    unit: 's',
    goal: null,
    how: 'image/main.ts with an empty cache: packages, modules and kernel source are downloaded, all is compiled',
  },
  image_warm_s: { unit: 's', goal: 10, how: 'image/main.ts again, nothing changed' },
  qcow2_mib: { unit: 'MiB', goal: null, how: 'size of the qcow2' },
  image_services_mib: {
    unit: 'MiB',
    goal: 220,
    how: 'size of the qcow2, whose blocks are compressed, with all services',
  },
  rootfs_mib: {
    unit: 'MiB',
    goal: 64,
    how: 'SquashFS and verity tree, packed again without the programs of services',
  },
  uki_mib: { unit: 'MiB', goal: 16, how: 'size of the signed UKI' },
  executables: {
    unit: 'files',
    goal: 12,
    how: 'files with an execute bit in the root file system, without the loader and the programs of services',
  },
  ready_s: {
    unit: 's',
    goal: 8,
    how: 'kernel start (by the uptime in the console log) to the first 200 of port 9999, image not enrolled',
  },
  agent_idle_mb: {
    unit: 'MB',
    goal: 80,
    how: 'resident memory of PID 1 by its own metrics, 20 s after state ready',
  },
  node_idle_mb: {
    unit: 'MB',
    goal: null,
    how: 'agent_idle_mb and the memory of all services’ cgroups, their share of the page cache included, by status',
  },
  services_ready_s: {
    unit: 's',
    goal: null,
    how: 'data mounted after an unlock to state ready, by the lines of the console',
  },
  unlock_ms: { unit: 'ms', goal: 1000, how: 'secret received to data mounted, by the agent’s log' },
  boot_vs_systemd: {
    unit: 'ratio',
    goal: 0.7,
    how: 'ready_s divided by the time that systemd names for reaching multi-user.target in a minimal Debian 13, same kernel',
  },
  sandbox_start_ratio: {
    unit: 'ratio',
    goal: 1.3,
    how: 'the agent’s start of rqlite (folders, quota, templates, config.json, crun) against crun alone with the same bundle, medians of nine in turn; the disk is not encrypted',
  },
  rqlite_sandbox_ratio: {
    unit: 'ratio',
    goal: 0.95,
    least: true,
    how: 'inserts a second that rqlite acknowledges to four askers in the sandbox against outside of it, medians of six in turn; without the firewall',
  },
  enroll_s: {
    unit: 's',
    goal: null,
    how: 'a genesis accepted by POST to all services ready, by the times in the console log',
  },
  peer_unlock_ratio: {
    unit: 'ratio',
    goal: 2,
    how: 'WireGuard up to data mounted with five guardians, of whom three are needed, against secret in memory to data mounted in the same boot; six machines side by side, median of three boots',
  },
  unlock_vs_clevis: {
    unit: 'ratio',
    goal: 0.3,
    how: 'unlock_collect_ms divided by unlock_clevis_ms',
  },
  unlock_process_vs_clevis: {
    unit: 'ratio',
    goal: null,
    how: 'the same by a Node process that is started for it, from its start to its end, divided by unlock_clevis_ms',
  },
  unlock_collect_ms: {
    unit: 'ms',
    goal: null,
    how: 'the agent’s code, in a process that runs already, collects and combines 2 of 3 shares of three guardian programs on loopback; median of twenty',
  },
  unlock_clevis_ms: {
    unit: 'ms',
    goal: null,
    how: 'clevis decrypt, a program that is started for it, with two of three tang servers on loopback, in turn with unlock_collect_ms; median of twenty',
  },
  unlock_liar_success: {
    unit: 'of 20',
    goal: 20,
    least: true,
    how: 'the same with one of the three guardians holding a wrong share: how often the right secret came',
  },
  unlock_clevis_liar_success: {
    unit: 'of 20',
    goal: null,
    how: 'the same for clevis with one of the three tang servers answering at once with a wrong key',
  },
  unlock_64_20dead_ms: {
    unit: 'ms',
    goal: null,
    how: 'until 22 of 64 shares are collected and combined while 20 guardians never answer and 5 give wrong shares; all servers and the node in one process on loopback; median of nine',
  },
  gateway_ratio: {
    unit: 'ratio',
    goal: 0.5,
    least: true,
    how: 'answers a second to GET /v1/status of the gateway, over TLS 1.3, against a plain node:http server that says the same; eight askers that keep their connections; medians of five in turn',
  },
  gateway_vs_https: {
    unit: 'ratio',
    goal: null,
    how: 'the same against a node:https server',
  },
  gateway_proxied_ratio: {
    unit: 'ratio',
    goal: 0.5,
    least: true,
    how: 'the same for GET /v1/node/status, which a trivial agent answers, against a node:https server that passes it on and asks for no token',
  },
  gateway_closing_ratio: {
    unit: 'ratio',
    goal: null,
    how: 'GET /v1/status of the gateway with a connection a request, against kept connections, in the same run',
  },
  gateway_mb_per_1000: {
    unit: 'MB',
    goal: null,
    how: 'four times what 250 nodes add to a registry’s file and to the resident memory of a gateway that has just started; a cluster has at most 256 nodes',
  },
} as const satisfies Readonly<Record<string, Kind>>

export type FigureName = keyof typeof kinds

/** A figure that was not measured is absent. */
export type Values = Readonly<Partial<Record<FigureName, number>>>

const names = Object.keys(kinds) as readonly FigureName[]

/** The measured figures as dist/bench.json has them: name → value, unit, goal (a maximum, with `least` a minimum, or null), how. */
export function asJson(values: Values): Record<string, Kind & { readonly value: number }> {
  return Object.fromEntries(
    names.flatMap(name => {
      const value = values[name]
      return value === undefined ? [] : [[name, { value: rounded(value), ...kinds[name] }]]
    }),
  )
}

/** The measured figures as a Markdown table; a goal that is missed says so. */
export function asTable(values: Values): string {
  const rows = names.flatMap(name => {
    const value = values[name]
    if (value === undefined) return []
    const kind: Kind = kinds[name]
    return [[`\`${name}\``, `${rounded(value)} ${kind.unit}`, judge(kind, rounded(value)), kind.how]]
  })
  const all = [['Figure', 'Value', 'Goal', 'How'], ...rows]
  const widths = [0, 1, 2, 3].map(column => Math.max(...all.map(row => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |\n`
  const rule = line(widths.map(width => '-'.repeat(width)))
  return [line(all[0] ?? []), rule, ...rows.map(line)].join('')
}

function judge({ goal, least }: Kind, value: number): string {
  if (goal === null) return '–'
  const missed = least === true ? value < goal : value > goal
  return `${least === true ? '≥' : '≤'} ${goal}${missed ? ' **missed**' : ''}`
}

/** The text of docs/benchmarks.md with a new table between its two marks. Throws SyntaxError without them. */
export function withTable(page: string, table: string): string {
  const [begin, end] = ['<!-- bench: begin -->\n', '<!-- bench: end -->']
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from)
    throw new SyntaxError('Cannot put a table into this page: it has no marks for one')
  return `${page.slice(0, from + begin.length)}\n${table.trimEnd()}\n\n${page.slice(to)}`
}

function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100
}
