import t from 'tap'
import { gatewayMetrics } from '../../../services/gateway/metrics.ts'

const route = 'GET /v1/node/status'

t.test('a time counts in each bucket that it fits into', async t => {
  const metrics = gatewayMetrics()
  for (const ms of [5, 6, 600, 15_001]) metrics.ended({ route, status: 200, ms })
  const rows = metrics.text().split('\n')
  const buckets = [
    ['0.005', 1],
    ['0.025', 2],
    ['0.1', 2],
    ['0.5', 2],
    ['2', 3],
    ['15', 3],
    ['+Inf', 4],
  ] as const
  for (const [bound, count] of buckets)
    t.ok(
      rows.includes(`orama_gateway_request_seconds_bucket{route="${route}",le="${bound}"} ${count}`),
      bound,
    )
  t.ok(rows.includes(`orama_gateway_request_seconds_sum{route="${route}"} 15.612`))
  t.ok(rows.includes(`orama_gateway_request_seconds_count{route="${route}"} 4`))
})

t.test('statuses that no standard has make one row', async t => {
  const metrics = gatewayMetrics()
  for (const status of [200, 299, 599, 200]) metrics.ended({ route, status, ms: 1 })
  t.match(metrics.text(), `requests_total{route="${route}",status="200"} 2\n`)
  t.match(metrics.text(), `requests_total{route="${route}",status="other"} 2\n`)
})

t.test('every row is one that Prometheus reads, each family once', async t => {
  const metrics = gatewayMetrics()
  metrics.begun()
  metrics.ended({ route: undefined, status: 404, ms: 1 })
  metrics.begun()
  metrics.refused('rate')
  const lines = metrics.text().split('\n')
  t.equal(lines.pop(), '')
  for (const line of lines)
    t.match(line, /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")?\})? [\d.]+)$/)
  const types = lines.filter(line => line.startsWith('# TYPE '))
  t.equal(new Set(types).size, types.length)
  t.ok(lines.includes('orama_gateway_requests_in_flight 1'))
  t.ok(lines.includes('orama_gateway_refused_total{reason="rate"} 1'))
})
