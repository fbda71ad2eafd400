import * as z from 'zod'
import { counter, nodeId, time, version } from './fields.ts'
import { seccompModes } from './requests.ts'
import { guardiansMax } from './shares/plan.ts'

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

/** How a service's filter treated calls that it does not allow: their names, and how often each was called. */
const denied = z
  .record(z.string().regex(/^[a-z0-9_]{1,40}$/), counter)
  .refine(names => Object.keys(names).length <= 65, 'more than 65 names')

/** What the kernel says of a process, as it has it now and not as it was asked for. */
const confinementSchema = z.object({
  uid: counter,
  /** In any of its five sets; by name, or by number where no service may have it. */
  capabilities: z.array(z.string().max(40)).max(64).readonly(),
  noNewPrivileges: z.boolean(),
  /** Whether a seccomp filter looks at its calls. */
  filtered: z.boolean(),
})
export type Confinement = z.infer<typeof confinementSchema>

export const serviceStatusSchema = z.object({
  state: z.enum(serviceStates),
  since: time,
  restarts: counter,
  lastExit: line.optional(),
  lastProbe: z.object({ at: time, good: z.boolean() }).optional(),
  /** Absent from nodes that always enforce. */
  seccomp: z.enum(seccompModes).optional(),
  /** Since the agent started. */
  denied: denied.optional(),
  memoryBytes: counter.optional(),
  /** Processor seconds of its present sandbox. */
  cpuS: z.number().min(0).optional(),
  pid: counter.optional(),
  /** Of its first process; absent where none runs. */
  confinement: confinementSchema.optional(),
})
export type ServiceStatus = z.infer<typeof serviceStatusSchema>

/** How the secret of the disk is kept. */
const sharesStatusSchema = z.object({
  /** Who has it: the owner alone, or the node's guardians together. */
  mode: z.enum(['escrow', 'shares']),
  /** `<number>-<id>` of the present epoch. */
  epoch: z
    .string()
    .regex(/^[1-9]\d{0,15}-[0-9a-f]{32}$/, 'not the name of an epoch')
    .optional(),
  /** K: so many shares open the disk. */
  threshold: counter.optional(),
  /** Whether each answered when it was last asked, and since when; without time: it was not asked since the start. */
  guardians: z
    .array(z.object({ nodeId, reachable: z.boolean(), since: time.optional() }))
    .max(guardiansMax)
    .readonly()
    .optional(),
  /** What a person has to mend. */
  trouble: z.array(z.string().max(200)).max(16).readonly().optional(),
  /** Of the cluster, this node among them. */
  members: counter,
})
export type SharesStatus = z.infer<typeof sharesStatusSchema>

/** How far the disk is on its way to a new volume key. */
const rekeyStatusSchema = z.object({
  /** `waiting`: for the disk to be open; `stopped`: it goes on when the node starts again. */
  state: z.enum(['running', 'waiting', 'stopped']),
  /** Of the data that has the new key; rounded down. */
  percent: z.int().min(0).max(100),
  why: z.string().max(200).optional(),
})
export type RekeyStatus = z.infer<typeof rekeyStatusSchema>

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
  /** What the kernel calls this machine: the node id, once there is one. */
  hostname: z.string().max(64).optional(),
  identity: z.enum(['unsealed', 'sealed', 'none']),
  secureBoot: z.boolean(),
  watchdog: z.string().max(64),
  uptimeS: z.number().min(0),
  lastPanic: z.string().max(65_536).optional(),
  /** Processes of root besides the agent, by name: none, but for the helpers that it runs for a moment. */
  rootProcesses: z.array(z.string().max(64)).max(64),
  /** The number of the owner's last order that the node carried out. */
  lastOrder: counter.optional(),
  /** Absent from nodes before the first that could share. */
  shares: sharesStatusSchema.optional(),
  /** Absent where the disk has one key. */
  rekey: rekeyStatusSchema.optional(),
  /** Whether denied calls are counted; filters work either way. */
  audit: z.enum(['on', 'unavailable']).optional(),
  /** Records of denied calls that the kernel threw away, of whatever service; absent for none. */
  deniedLost: counter.optional(),
  services: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/), serviceStatusSchema),
})
export type Status = z.infer<typeof statusSchema>
