import { sha256Hex } from '../protocol/fields.ts'
import { audience } from '../protocol/login.ts'
import { optional, required } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { environmentName, environmentSchema, loadEnvironments, saveEnvironments } from './environments.ts'
import type { Environment, NamedEnvironment } from './environments.ts'
import { Failure } from './failure.ts'
import { askOffer, checkOffer } from './gateway.ts'
import { columns } from './help.ts'
import { forgetSeen } from './seen.ts'
import { forgetSession, sessionPath } from './session.ts'
import type { World } from './world.ts'

export const envAdd: Command = {
  help: "keep where a cluster's gateways answer, under a name",
  words: ['NAME'],
  options: {
    gateway: { help: 'origin of a gateway, such as https://192.0.2.7', value: 'URL' },
    fingerprint: {
      help: "SHA-256 of the gateways' certificate, for one that is not publicly valid",
      value: 'HEX',
    },
    'server-name': { help: "the name that the certificate is for, if not the URL's", value: 'NAME' },
    audience: {
      help: 'what logins are for (default: https:// and the name of the certificate)',
      value: 'URL',
    },
    wallet: { help: 'keystore file that signs here (default: wallet.json)', value: 'FILE' },
  },
  examples: [
    'orama env add home --gateway https://gateway.example',
    'orama env add home --gateway https://192.0.2.7 --server-name gateway.orama.internal --fingerprint 5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5',
  ],
  run: add,
}

export const envList: Command = {
  help: 'list the environments',
  options: {},
  examples: ['orama env list'],
  async run(world, input) {
    const all = await loadEnvironments(world, input)
    return { json: { environments: all }, text: all.map(describe).join('\n') }
  },
}

export const envRemove: Command = {
  help: 'forget an environment, and its session',
  words: ['NAME'],
  options: {},
  examples: ['orama env remove home'],
  async run(world, input) {
    const name = nameOf(input)
    const all = await loadEnvironments(world, input)
    const found = all.find(one => one.name === name)
    if (found === undefined) throw new Failure('usage', `Cannot find environment ${name}`)
    await saveEnvironments(
      world,
      input,
      all.filter(one => one !== found),
    )
    await forgetSession(sessionPath(world, input, found))
    await forgetSeen(world, input, found)
    return { json: { removed: name }, text: `Environment ${name} is removed.` }
  },
}

async function add(world: World, input: Input): Promise<Output> {
  const name = nameOf(input)
  const place = readPlace(input)
  const { cluster, authority } = await askOffer(world, place)
  const environment: NamedEnvironment = { name, ...place, cluster, authority }
  await keepEnvironment(world, input, environment)
  return { json: environment, text: describe(environment) }
}

/** Keeps an environment. One of this name may be replaced by one of the same cluster alone: throws Failure 'impostor'. */
export async function keepEnvironment(
  world: World,
  input: Input,
  environment: NamedEnvironment,
): Promise<void> {
  const all = await loadEnvironments(world, input)
  const known = all.find(one => one.name === environment.name)
  if (known !== undefined) checkSame(environment, known)
  await saveEnvironments(world, input, [...all.filter(one => one !== known), environment])
}

function checkSame(environment: NamedEnvironment, known: NamedEnvironment): void {
  try {
    checkOffer({ ...environment, gatewayKey: '' }, known)
  } catch (cause) {
    throw new Failure('impostor', `Cannot replace environment ${known.name}`, {
      cause,
      hint: `'orama env remove ${known.name}' forgets it`,
    })
  }
}

function nameOf({ words }: Input): string {
  const [name, ...others] = words
  const parsed = environmentName.safeParse(name)
  if (parsed.success && others.length === 0) return parsed.data
  throw new Failure('usage', 'Cannot read the name of the environment', {
    hint: 'Give one NAME of lower-case letters, digits and hyphens',
  })
}

function readPlace(input: Input): Omit<Environment, 'cluster' | 'authority'> {
  const given = {
    gateway: required(input, 'gateway').replace(/\/$/, ''),
    fingerprint: optional(input, 'fingerprint')?.replaceAll(':', '').toLowerCase(),
    serverName: optional(input, 'server-name'),
    audience: optional(input, 'audience'),
    wallet: optional(input, 'wallet'),
  }
  const parsed = environmentSchema
    .omit({ cluster: true, authority: true })
    .safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)))
  if (parsed.success) return parsed.data
  const wrong = [
    audience.safeParse(given.gateway).success ? [] : '--gateway is no origin such as https://192.0.2.7',
    given.fingerprint === undefined || sha256Hex.safeParse(given.fingerprint).success
      ? []
      : '--fingerprint is not 64 hex digits',
  ].flat()
  throw new Failure('usage', wrong.join('; ') || '--server-name, --audience or --wallet does not fit')
}

function describe(environment: NamedEnvironment): string {
  const { name, gateway, cluster, authority, fingerprint, serverName, wallet } = environment
  const rows: [string, string][] = [
    ['gateway', gateway],
    ['cluster', cluster],
    ['authority', authority],
    ['certificate', fingerprint ?? 'publicly valid'],
  ]
  if (serverName !== undefined) rows.push(['server name', serverName])
  if (wallet !== undefined) rows.push(['wallet', wallet])
  return [name, ...columns(rows)].join('\n')
}
