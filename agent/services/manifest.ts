import * as z from 'zod'

/** Names become file names, cgroup names and container ids. */
const name = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/)
const port = z.int().min(1).max(65_535)
const filePath = z.string().regex(/^(\/[A-Za-z0-9._-]{1,64}){1,8}$/)
const text = z.string().max(4096)

/** What the agent keeps for itself; a service that named one would wait for ever, or listen in its place. */
const agentPorts = [9997, 9998, 9999, 51_820]

const probe = z.union([
  z.strictObject({ http: z.strictObject({ port, path: z.string().regex(/^\/[\w./?=&-]{0,127}$/) }) }),
  z.strictObject({ tcp: z.strictObject({ port }) }),
])

const manifestSchema = z
  .strictObject({
    name,
    /** The program by its full path and its arguments; `${…}` as in `Placeholders`. */
    command: z
      .tuple([filePath])
      .rest(text)
      .refine(words => words.length <= 64, 'at most 64 words'),
    environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/), text).default({}),
    /** Also the group. One service, one UID: the firewall and the quotas go by it. */
    uid: z.int().min(1001).max(1999),
    ports: z
      .array(
        z.strictObject({ port, protocol: z.enum(['tcp', 'udp']), on: z.enum(['wireguard', 'loopback']) }),
      )
      .max(16),
    /** Services that must be ready before it starts, and that it may call on this node. */
    requires: z.array(name).max(16),
    readiness: probe,
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
      /** cgroup v2 io.weight; only on kernels that have it. */
      ioWeight: z.int().min(1).max(10_000).optional(),
    }),
    /** System calls beyond the base list of seccomp.ts. */
    syscalls: z.array(z.string().regex(/^[a-z0-9_]{1,40}$/)).max(64),
    egress: z.array(z.enum(['wireguard'])).max(1),
    capabilities: z.array(z.enum(['CAP_NET_BIND_SERVICE'])).max(1),
    /** Files that the agent renders and the service reads under `${configDir}`: owned by it, mode 0400. */
    files: z.record(z.string().regex(/^[a-z][a-z0-9.-]{0,63}$/), z.string().max(65_536)).default({}),
  })
  .superRefine(checkPorts)

export type Manifest = z.infer<typeof manifestSchema>
export type Probe = Manifest['readiness']

/** What `${…}` in command, environment and files may name. */
export type Placeholders = {
  readonly nodeId: string
  readonly wireguardAddress: string
  readonly dataDir: string
  readonly configDir: string
  /** Random, made once for the service and kept on the data partition; allowed in files only. */
  readonly password?: string
}

const manifestBytesMax = 262_144

/** Reads a service.json. Throws SyntaxError that names the file and the first bad key. */
export function parseManifest(json: string, file: string): Manifest {
  if (json.length > manifestBytesMax) throw new SyntaxError(`Cannot use '${file}': ${json.length} characters`)
  const parsed = manifestSchema.safeParse(parseJson(json, file))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const keys = issue?.code === 'unrecognized_keys' ? issue.keys : []
  const path = [...(issue?.path ?? []), ...keys.slice(0, 1)].map(String).join('.')
  throw new SyntaxError(
    `Cannot use '${file}': ${path === '' ? 'the whole' : path}: ${issue?.message ?? 'wrong'}`,
  )
}

/** Checks what one manifest cannot know: unique names and UIDs, no port twice, `requires` known and without a circle. */
export function checkManifests(manifests: readonly Manifest[]): void {
  unique(
    manifests.map(m => m.name),
    'name',
  )
  unique(
    manifests.map(m => m.uid),
    'UID',
  )
  unique(
    manifests.flatMap(m => m.ports.map(p => `${p.port}/${p.protocol}`)),
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
      visit(other, [...path, manifest.name])
    }
    ordered.push(manifest)
  }
  for (const manifest of manifests) visit(manifest, [])
  return ordered
}

/** Replaces every `${name}`. Throws RangeError for a name that has no value here. */
export function fill(template: string, values: Placeholders): string {
  return template.replace(/\$\{([^}]*)\}/g, (_, key: string) => {
    const value = Object.entries(values).find(([known]) => known === key)?.[1]
    if (value === undefined) throw new RangeError(`Cannot fill '\${${key}}'`)
    return value
  })
}

type PortsAndProbe = {
  readonly ports: readonly { readonly port: number; readonly protocol: string }[]
  readonly readiness: z.infer<typeof probe>
}

function checkPorts(manifest: PortsAndProbe, context: z.RefinementCtx): void {
  const taken = manifest.ports.findIndex(p => agentPorts.includes(p.port))
  if (taken >= 0)
    context.addIssue({ code: 'custom', path: ['ports', taken], message: "the port is the agent's" })
  if (!manifest.ports.some(p => p.protocol === 'tcp' && p.port === probePort(manifest.readiness)))
    context.addIssue({
      code: 'custom',
      path: ['readiness'],
      message: 'the port is not a TCP port of the service',
    })
}

/** The TCP port that a probe calls. */
export function probePort(probe: Probe): number {
  return 'http' in probe ? probe.http.port : probe.tcp.port
}

function parseJson(json: string, file: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new SyntaxError(`Cannot use '${file}': it is not JSON`, { cause })
  }
}

function unique(values: readonly (string | number)[], what: string): void {
  const twice = values.find((value, index) => values.indexOf(value) !== index)
  if (twice !== undefined) throw new RangeError(`Cannot use services: ${what} ${twice} is given twice`)
}
