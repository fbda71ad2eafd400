import { STATUS_CODES } from 'node:http'

export type Metrics = {
  readonly begun: () => void
  /** An answer has ended: by the route's name, undefined where none was found. */
  readonly ended: (answer: {
    readonly route: string | undefined
    readonly status: number
    readonly ms: number
  }) => void
  /** Somebody was turned away, for one of a few reasons that the program itself names. */
  readonly refused: (reason: Refusal) => void
  /** Prometheus text (exposition format 0.0.4). */
  readonly text: () => string
}

export const refusals = ['connections', 'address', 'tls', 'rate', 'token', 'access'] as const
export type Refusal = (typeof refusals)[number]

/** Upper bounds in seconds. */
const bounds = [0.005, 0.025, 0.1, 0.5, 2, 15] as const

type Series = { readonly route: string; readonly statuses: Map<string, number>; readonly times: Times }
type Times = { readonly buckets: number[]; sumS: number; count: number }

/** What is counted of requests. Routes come from the table, statuses from the standard: no stranger makes new rows. */
export function gatewayMetrics(): Metrics {
  const series = new Map<string, Series>()
  const refused = new Map<Refusal, number>(refusals.map(reason => [reason, 0]))
  let inFlight = 0
  return {
    begun: () => {
      inFlight += 1
    },
    ended: ({ route = 'none', status, ms }) => {
      inFlight -= 1
      const one = series.get(route) ?? { route, statuses: new Map<string, number>(), times: newTimes() }
      series.set(route, one)
      const code = status in STATUS_CODES ? String(status) : 'other'
      one.statuses.set(code, (one.statuses.get(code) ?? 0) + 1)
      observe(one.times, ms / 1000)
    },
    refused: reason => {
      refused.set(reason, (refused.get(reason) ?? 0) + 1)
    },
    text: () => textOf([...series.values()], refused, inFlight),
  }
}

function newTimes(): Times {
  return { buckets: bounds.map(() => 0), sumS: 0, count: 0 }
}

function observe(times: Times, seconds: number): void {
  bounds.forEach((bound, at) => {
    if (seconds <= bound) times.buckets[at] = (times.buckets[at] ?? 0) + 1
  })
  times.sumS += seconds
  times.count += 1
}

type Family = readonly [name: string, type: string, help: string, rows: readonly string[]]

function textOf(series: readonly Series[], refused: ReadonlyMap<Refusal, number>, inFlight: number): string {
  const name = 'orama_gateway'
  const families: readonly Family[] = [
    [
      `${name}_requests_total`,
      'counter',
      'Requests that were answered, by route and status.',
      series.flatMap(({ route, statuses }) =>
        [...statuses].map(([status, count]) => `{route="${route}",status="${status}"} ${count}`),
      ),
    ],
    [
      `${name}_request_seconds`,
      'histogram',
      'From the headers of a request to the end of its answer.',
      series.flatMap(timeRows),
    ],
    [`${name}_requests_in_flight`, 'gauge', 'Requests that are being answered.', [` ${inFlight}`]],
    [
      `${name}_refused_total`,
      'counter',
      'Connections and requests that were turned away, by reason.',
      [...refused].map(([reason, count]) => `{reason="${reason}"} ${count}`),
    ],
  ]
  return families.map(familyText).join('')
}

function timeRows({ route, times }: Series): readonly string[] {
  const label = `route="${route}"`
  return [
    ...bounds.map((bound, at) => `_bucket{${label},le="${bound}"} ${times.buckets[at] ?? 0}`),
    `_bucket{${label},le="+Inf"} ${times.count}`,
    `_sum{${label}} ${times.sumS}`,
    `_count{${label}} ${times.count}`,
  ]
}

function familyText([name, type, help, rows]: Family): string {
  return [`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`, ...rows.map(row => `${name}${row}\n`)].join('')
}
