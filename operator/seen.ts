import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { membersMax } from '../protocol/cluster/membership.ts'
import { clusterId, nodeId, time } from '../protocol/fields.ts'
import type { Input } from './command.ts'
import type { NamedEnvironment } from './environments.ts'
import { configFolder, isAbsent, privateFolder, readSmallFile, replaceFile } from './files.ts'
import type { World } from './world.ts'

/** When each node answered a report of this machine last, by its id. */
export type Seen = Map<string, string>

/** seen/<environment>.json, mode 0600. */
const fileSchema = z.strictObject({ v: z.literal(1), cluster: clusterId, nodes: z.record(nodeId, time) })

/** Nothing where there is no such file, or one of another cluster, or a damaged one: no report fails for that. */
export async function loadSeen(world: World, input: Input, of: NamedEnvironment): Promise<Seen> {
  const path = seenPath(world, input, of)
  if (await isAbsent(path)) return new Map()
  try {
    const { cluster, nodes } = fileSchema.parse(JSON.parse(await readSmallFile(path)))
    return new Map(cluster === of.cluster ? Object.entries(nodes) : [])
  } catch {
    return new Map()
  }
}

export async function saveSeen(
  { world, input, environment }: SeenBy,
  seen: ReadonlyMap<string, string>,
): Promise<void> {
  const path = seenPath(world, input, environment)
  await privateFolder(join(path, '..'))
  const nodes = Object.fromEntries([...seen].slice(-membersMax))
  const file = fileSchema.parse({ v: 1, cluster: environment.cluster, nodes })
  await replaceFile(path, `${JSON.stringify(file, null, 2)}\n`)
}

type SeenBy = { readonly world: World; readonly input: Input; readonly environment: NamedEnvironment }

export async function forgetSeen(world: World, input: Input, of: NamedEnvironment): Promise<void> {
  await rm(seenPath(world, input, of), { force: true })
}

function seenPath(world: World, input: Input, { name }: NamedEnvironment): string {
  return join(configFolder(world, input), 'seen', `${name}.json`)
}
