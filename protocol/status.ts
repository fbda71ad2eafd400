import * as z from 'zod'
import { counter, nodeId, time, version } from './fields.ts'

/** The states of a node, as `STATE <name>` on its console says them. */
export const nodeStates = [
  'blank',
  'enrolling',
  'locked',
  'waiting-for-peers',
  'starting',
  'ready',
  'degraded',
  'updating',
  'stopping',
] as const
export type NodeState = (typeof nodeStates)[number]

export const serviceStates = ['stopped', 'starting', 'ready', 'backoff', 'stopping'] as const
export type ServiceState = (typeof serviceStates)[number]

const line = z.string().max(1024)

export const serviceStatusSchema = z.object({
  state: z.enum(serviceStates),
  since: time,
  restarts: counter,
  lastExit: line.optional(),
  memoryBytes: counter.optional(),
  pid: counter.optional(),
})
export type ServiceStatus = z.infer<typeof serviceStatusSchema>

/** GET /v1/agent/status. Not strict: a newer node may say more than this reader knows. */
export const statusSchema = z.object({
  version,
  buildKind: z.enum(['development', 'release']),
  test: z.boolean(),
  slot: z.enum(['A', 'B']),
  state: z.enum(nodeStates),
  since: time,
  waitingFor: line.optional(),
  nodeId: nodeId.optional(),
  identity: z.enum(['unsealed', 'sealed', 'none']),
  secureBoot: z.boolean(),
  watchdog: z.string().max(64),
  uptimeS: z.number().min(0),
  lastPanic: z.string().max(65_536).optional(),
  /** Processes of root besides the agent, by name: none, but for the helpers that it runs for a moment. */
  rootProcesses: z.array(z.string().max(64)).max(64),
  services: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/), serviceStatusSchema),
})
export type Status = z.infer<typeof statusSchema>
