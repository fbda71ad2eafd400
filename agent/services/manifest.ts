import * as z from 'zod'
import { agentOnlyPorts, guardianPort } from '../network/firewall.ts'
import { accepted, parseJsonFile } from './json-file.ts'
import { checkTemplates, listsSchema } from './templates.ts'

/** Names become file names, cgroup names and container ids. */
const name = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/)
const port = z.int().min(1).max(65_535)
const filePath = z.string().regex(/^(\/[A-Za-z0-9._-]{1,64}){1,8}$/)
const text = z.string().max(4096)

/** The name of a file, in the service's folder, in its data folder or below `${configDir}`. */
const fileName = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/)
const fileBytesMax = 65_536

/** What the agent keeps for itself; a service that named one would wait for ever, or listen in its place. */
const agentPorts = [...Object.values(agentOnlyPorts), guardianPort, 9999, 51_820]
/** The one service that answers on such a port: its agent calls those of other nodes. */
const guardian = { name: 'guardian', port: guardianPort } as const
/** From here on the kernel gives ports to whoever calls out: such a port can be another's without a fault of its own. */
const firstCallerPort = 32_768

/**
 * `http`: good when GET of the path has a status from 200 to 299. `tcp`: good when anything comes back for the bytes
 * `send`, in hex; a connection alone says nothing, for the kernel accepts it in place of a service that hangs.
 */
const probe = z.union([
  z.strictObject({ http: z.strictObject({ port, path: z.string().regex(/^\/[\w./?=&-]{0,127}$/) }) }),
  z.strictObject({ tcp: z.strictObject({ port, send: z.string().regex(/^([0-9a-f]{2}){1,256}$/) }) }),
])

/** What the agent serves to services that ask for it: see agent/guardian/ and agent/gateway/. */
const agentSockets = ['shares', 'gateway'] as const
export type AgentSocket = (typeof agentSockets)[number]

const manifestSchema = z
  .strictObject({
    name,
    /**
     * The program by its full path and its arguments; `${…}` as in templates.ts. A word of which nothing is left,
     * since it is an empty list, is left out.
     */
    command: z
      .tuple([filePath])
      .rest(text)
      .refine(words => words.length <= 64, 'at most 64 words'),
    environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/), text).default({}),
    /** Also the group. One service, one UID: the firewall and the quotas go by it. */
    uid: z.int().min(1001).max(1999),
    ports: z
      .array(
        z.strictObject({
          port,
          protocol: z.enum(['tcp', 'udp']),
          /** `public`: open to whoever can reach the node, also by WireGuard. */
          on: z.enum(['wireguard', 'loopback', 'public']),
        }),
      )
      .max(16),
    /** Services that must be ready before it starts, and that it may call on this node. */
    requires: z.array(name).max(16),
    /** It starts at once: for what it requires it waits itself. */
    eager: z.boolean().default(false),
    readiness: probe,
    /** Asked once it is ready, where that is another question: what fails here is a restart. Default: readiness. */
    health: probe.optional(),
    /** How often it is probed, how long a probe may take, how long it may take to become ready. */
    intervals: z
      .strictObject({
        startS: z.int().min(1).max(60).default(1),
        healthS: z.int().min(1).max(600).default(10),
        probeS: z.int().min(1).max(60).default(5),
        readyWithinS: z.int().min(1).max(3600).default(120),
      })
      .prefault({}),
    stop: z.strictObject({ signal: z.enum(['TERM', 'INT', 'QUIT']), graceS: z.int().min(1).max(120) }),
    limits: z.strictObject({
      memoryMib: z.int().min(16).max(65_536),
      cpus: z.number().min(0.1).max(64),
      pids: z.int().min(1).max(4096),
      files: z.int().min(16).max(1_048_576),
      /** What it may keep in its data folder, by user quota. */
      diskMib: z.int().min(1).max(1_048_576).default(4096),
      diskFiles: z.int().min(1).max(16_777_216).default(65_536),
      /** What it may move to and from the data partition each second. */
      readMibS: z.int().min(1).max(65_536).default(512),
      writeMibS: z.int().min(1).max(65_536).default(256),
      /** Reads, and writes as well, each second. */
      diskOps: z.int().min(1).max(1_000_000).default(20_000),
    }),
    /** System calls beyond the base list of seccomp.ts. */
    syscalls: z.array(z.string().regex(/^[a-z0-9_]{1,40}$/)).max(64),
    /**
     * `wireguard`: its own ports on other nodes; `dns`: port 53 outside; `agents`: port 9998 of this node and of others;
     * `public`: port 9999 outside, where nodes wait for their owner.
     */
    egress: z.array(z.enum(['wireguard', 'dns', 'agents', 'public'])).max(4),
    capabilities: z.array(z.enum(['CAP_NET_BIND_SERVICE'])).max(1),
    /**
     * It runs before the data partition is open, and so keeps nothing: its data folder lies in memory. It is told no
     * secret and of no other node, and may require only what is early too.
     */
    early: z.boolean().default(false),
    /** Sockets of the agent that it may call, below /run/agent. */
    sockets: z.array(z.enum(agentSockets)).max(1).default([]),
    /** What `${…}` may name besides, made of the cluster's nodes or of DNS servers. */
    lists: listsSchema,
    /**
     * Files that the agent renders at each start and the service reads under `${configDir}`: owned by it, mode
     * 0400. The text stands here, or in a file of the service's folder. With `inDataDir` the file is seen in the
     * data folder too, under that name, read-only.
     */
    files: z
      .record(
        fileName,
        z.union([
          z
            .string()
            .max(fileBytesMax)
            .transform((text): { text: string; inDataDir?: string | undefined } => ({ text })),
          z.strictObject({ text: z.string().max(fileBytesMax), inDataDir: fileName.optional() }),
        ]),
      )
      .refine(files => Object.keys(files).length <= 16, 'at most 16 files')
      .default({}),
  })
  .superRefine(checkPorts)
  .superRefine(checkEarly)
  .superRefine(checkTemplates)

export type Manifest = z.infer<typeof manifestSchema>
export type Probe = Manifest['readiness']
/** What a service is asked: whether it can be used, or, once it can, whether it is alive. */
export type ProbeKind = 'readiness' | 'health'

const manifestBytesMax = 262_144

/**
 * Reads a service.json; `templates` are the other files of its folder. Throws SyntaxError that names the file and
 * the first bad key.
 */
export function parseManifest(
  json: string,
  file: string,
  templates: Readonly<Record<string, string>> = {},
): Manifest {
  if (json.length > manifestBytesMax) throw new SyntaxError(`Cannot use '${file}': ${json.length} characters`)
  const value = withTemplates(parseJsonFile(json, file), file, templates)
  return accepted(manifestSchema.safeParse(value), file)
}

/** Checks what one manifest cannot know: unique names and UIDs, no port twice, `requires` known and without a circle. */
export function checkManifests(manifests: readonly Manifest[]): void {
  unique(
    manifests.map(m => ({ owner: m.name, value: m.name })),
    'name',
  )
  unique(
    manifests.map(m => ({ owner: m.name, value: m.uid })),
    'UID',
  )
  unique(
    manifests.flatMap(m => m.ports.map(p => ({ owner: m.name, value: `${p.port}/${p.protocol}` }))),
    'port',
  )
  startOrder(manifests)
}

/** Each service after those that it requires; otherwise as listed. Throws RangeError for unknown names and circles. */
export function startOrder(manifests: readonly Manifest[]): Manifest[] {
  const ordered: Manifest[] = []
  const visit = (manifest: Manifest, path: readonly string[]) => {
    if (ordered.includes(manifest)) return
    if (path.includes(manifest.name))
      throw new RangeError(`Cannot order services: ${[...path, manifest.name].join(' → ')}`)
    for (const needed of manifest.requires) {
      const other = manifests.find(m => m.name === needed)
      if (other === undefined)
        throw new RangeError(`Cannot start '${manifest.name}': it requires '${needed}'`)
      if (manifest.early && !other.early)
        throw new RangeError(`Cannot start '${manifest.name}' early: it requires '${needed}', which is not`)
      visit(other, [...path, manifest.name])
    }
    ordered.push(manifest)
  }
  for (const manifest of manifests) visit(manifest, [])
  return ordered
}

type PortsAndProbe = {
  readonly name: string
  readonly ports: readonly { readonly port: number; readonly protocol: string }[]
  readonly readiness: z.infer<typeof probe>
  readonly health?: z.infer<typeof probe> | undefined
}

function checkPorts(manifest: PortsAndProbe, context: z.RefinementCtx): void {
  const isOwn = (port: number) => manifest.name === guardian.name && port === guardian.port
  const taken = manifest.ports.findIndex(p => agentPorts.includes(p.port) && !isOwn(p.port))
  if (taken >= 0)
    context.addIssue({ code: 'custom', path: ['ports', taken], message: "the port is the agent's" })
  const high = manifest.ports.findIndex(p => p.port >= firstCallerPort)
  if (high >= 0)
    context.addIssue({
      code: 'custom',
      path: ['ports', high],
      message: `from ${firstCallerPort} on callers have them`,
    })
  for (const kind of ['readiness', 'health'] as const) {
    const asked = manifest[kind]
    if (asked === undefined) continue
    if (manifest.ports.some(p => p.protocol === 'tcp' && p.port === probePort(asked))) continue
    context.addIssue({ code: 'custom', path: [kind], message: 'the port is not a TCP port of the service' })
  }
}

/** What a service is filled from that needs the open disk. */
function checkEarly(
  manifest: {
    readonly early: boolean
    readonly files: object
    readonly lists: object
    readonly command: readonly string[]
    readonly environment: Readonly<Record<string, string>>
  },
  context: z.RefinementCtx,
): void {
  if (!manifest.early) return
  for (const key of ['files', 'lists'] as const)
    if (Object.keys(manifest[key]).length > 0)
      context.addIssue({ code: 'custom', path: [key], message: 'an early service has none' })
  const words = [...manifest.command, ...Object.values(manifest.environment)]
  if (words.some(word => word.includes('${libp2pId}')))
    context.addIssue({ code: 'custom', path: ['early'], message: 'libp2pId comes of a secret' })
}

/** The TCP port that a probe calls. */
export function probePort(probe: Probe): number {
  return 'http' in probe ? probe.http.port : probe.tcp.port
}

/**
 * Puts the text of a file of the folder where a manifest says `{"template": "its name"}`: the schema then sees one
 * form only. What is no such thing passes unchanged, for the schema to refuse.
 */
function withTemplates(json: unknown, path: string, templates: Readonly<Record<string, string>>): unknown {
  const outer = z.looseObject({ files: z.record(z.string(), z.unknown()) }).safeParse(json)
  if (!outer.success) return json
  const files = Object.entries(outer.data.files).map(([name, file]) => {
    const named = z.looseObject({ template: z.string() }).safeParse(file)
    if (!named.success) return [name, file] as const
    const { template, ...rest } = named.data
    const text = Object.entries(templates).find(([known]) => known === template)?.[1]
    if (text === undefined)
      throw new SyntaxError(
        `Cannot use '${path}': files.${name}.template: there is no '${template}' beside it`,
      )
    return [name, { ...rest, text }] as const
  })
  return { ...outer.data, files: Object.fromEntries(files) }
}

type Owned = { readonly owner: string; readonly value: string | number }

function unique(all: readonly Owned[], what: string): void {
  for (const [index, { owner, value }] of all.entries()) {
    const first = all.findIndex(one => one.value === value)
    if (first !== index)
      throw new RangeError(
        `Cannot use services: ${what} ${value} is given twice, by '${all[first]?.owner ?? ''}' and '${owner}'`,
      )
  }
}
