import { join } from 'node:path'
import * as z from 'zod'
import { clusterId, sha256Hex } from '../protocol/fields.ts'
import { audience } from '../protocol/login.ts'
import { addressSchema } from '../protocol/wallet.ts'
import { optional } from './command.ts'
import type { Input, Options } from './command.ts'
import { Failure } from './failure.ts'
import { configFolder, privateFolder, readSmallFile, isAbsent, replaceFile } from './files.ts'
import type { World } from './world.ts'

export const environmentName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'not a name of lower-case letters, digits and hyphens')

/** A cluster as this machine reaches it: where its gateways answer, and whose cluster it is. */
export const environmentSchema = z.strictObject({
  /** Origin of its gateways, such as https://192.0.2.7. */
  gateway: audience,
  /** SHA-256 of their certificate (DER); absent where it is publicly valid. */
  fingerprint: sha256Hex.optional(),
  /** The name that the certificate is for, where that is not the host of the URL. */
  serverName: z.hostname().max(253).optional(),
  /** What logins are for, where that is not what `audienceOf` makes of the rest. */
  audience: audience.optional(),
  cluster: clusterId,
  authority: addressSchema,
  /** The keystore that signs here, where it is not wallet.json. */
  wallet: z.string().min(1).max(4096).optional(),
})
export type Environment = z.infer<typeof environmentSchema>
export type NamedEnvironment = Environment & { readonly name: string }

const fileSchema = z.strictObject({
  v: z.literal(1),
  environments: z.record(environmentName, environmentSchema),
})

/** Option of every command that goes through a gateway. */
export const environmentOptions: Options = {
  env: { help: "the environment whose gateway is asked; see 'orama env list'", value: 'NAME' },
}

/** All environments, by name. None where there is no file. */
export async function loadEnvironments(world: World, input: Input): Promise<readonly NamedEnvironment[]> {
  const path = pathOf(world, input)
  if (await isAbsent(path)) return []
  const text = await readSmallFile(path)
  try {
    const { environments } = fileSchema.parse(JSON.parse(text))
    return Object.entries(environments)
      .map(([name, environment]) => ({ name, ...environment }))
      .toSorted((a, b) => a.name.localeCompare(b.name))
  } catch (cause) {
    throw new SyntaxError(`Cannot read environments '${path}'`, { cause })
  }
}

/** Replaces the file by one with these environments. */
export async function saveEnvironments(
  world: World,
  input: Input,
  all: readonly NamedEnvironment[],
): Promise<void> {
  await privateFolder(configFolder(world, input))
  const environments = Object.fromEntries(all.map(({ name, ...environment }) => [name, environment]))
  const file = fileSchema.parse({ v: 1, environments })
  await replaceFile(pathOf(world, input), `${JSON.stringify(file, null, 2)}\n`)
}

/** The environment that --env names, or the only one. Throws Failure 'usage'. */
export async function findEnvironment(world: World, input: Input): Promise<NamedEnvironment> {
  const name = optional(input, 'env')
  const all = await loadEnvironments(world, input)
  const fitting = name === undefined ? all : all.filter(one => one.name === name)
  const [found, ...others] = fitting
  const hint = "'orama env add' makes one, 'orama env list' shows them"
  if (found === undefined)
    throw new Failure('usage', `Cannot find environment ${name ?? ''}`.trimEnd(), { hint })
  if (others.length > 0)
    throw new Failure(
      'usage',
      `Cannot choose between environments ${fitting.map(one => one.name).join(', ')}`,
      {
        hint: 'Give --env NAME',
      },
    )
  return found
}

/** What logins at these gateways are for: the name of their certificate counts, wherever they are reached. */
export function audienceOf({ audience: given, serverName, gateway }: Environment): string {
  return given ?? (serverName === undefined ? gateway : `https://${serverName}`)
}

function pathOf(world: World, input: Input): string {
  return join(configFolder(world, input), 'environments.json')
}
