import { join } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }
import { serviceKey } from '../protocol/cluster-secret.ts'
import { fromBase64url, ipv4 } from '../protocol/fields.ts'
import { parseGrant } from '../protocol/grant.ts'
import { lend, moveSecret } from '../protocol/secret.ts'
import { audience } from '../protocol/login.ts'
import { readCertificate } from '../services/gateway/certificate-file.ts'
import { deriveCertificate, gatewayName } from '../services/gateway/certificate.ts'
import type { Certificate } from '../services/gateway/certificate.ts'
import { poolOf } from '../services/gateway/pool.ts'
import { keepToken } from '../services/gateway/registry/node-tokens.ts'
import { openRegistry } from '../services/gateway/registry/registry.ts'
import type { Registry } from '../services/gateway/registry/registry.ts'
import { openSqlite } from '../services/gateway/registry/sqlite.ts'
import { signInKeys } from '../services/gateway/sign-in.ts'
import { startGateway } from '../services/gateway/start.ts'
import type { RunningGateway } from '../services/gateway/start.ts'
import { optional, required } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { deskAgent } from './desk-agent.ts'
import { Failure } from './failure.ts'
import { privateFolder } from './files.ts'
import { findNodes, isGenesis, nodeOptions } from './node-file.ts'
import type { Enrolled, GenesisFile, NodeFile } from './node-file.ts'
import type { World } from './world.ts'

export const gatewayRun: Command = {
  help: 'serve a gateway of your cluster on this machine, until it is interrupted',
  options: {
    data: { help: 'folder of its registry, made if it is not there', value: 'DIR' },
    listen: { help: 'where it answers (default: 0.0.0.0:443)', value: 'IP:PORT' },
    cert: { help: 'a certificate of your own with its chain, PEM', value: 'FILE' },
    key: { help: 'its key, PEM', value: 'FILE' },
    origin: { help: 'with --cert: the URL under which operators sign in', value: 'URL' },
    ...nodeOptions,
  },
  examples: [
    'orama gateway --data gateway',
    'orama gateway run --data gateway --listen 192.0.2.9:8443 --cert c.pem --key k.pem --origin https://gw.example:8443',
  ],
  run: serve,
}

async function serve(world: World, input: Input): Promise<Output> {
  const place = readPlace(input)
  const genesis = await findGenesis(world, input)
  const key = await lend(moveSecret(fromBase64url(genesis.clusterSecret)), secret =>
    serviceKey(secret, 'gateway'),
  )
  try {
    const stopped = Promise.withResolvers<undefined>()
    const forget = world.onInterrupt(() => {
      stopped.resolve(undefined)
    })
    const registry = await openAlone(world, { folder: required(input, 'data'), genesis, key })
    try {
      const gateway = await start(world, { ...place, genesis, registry, key })
      await stopped.promise
      await gateway.close()
    } finally {
      await registry.close()
      forget()
    }
  } finally {
    key.fill(0)
  }
  return { json: { stopped: true }, text: 'The gateway has stopped.' }
}

type Place = {
  readonly address: string
  readonly port: number
  readonly own?: { readonly certificate: string; readonly key: string }
  readonly origin: string
}

/** Throws Failure 'usage'. */
function readPlace(input: Input): Place {
  const [address = '', port = '', ...rest] = (optional(input, 'listen') ?? '0.0.0.0:443').split(':')
  const isPort = /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535
  if (rest.length > 0 || !ipv4.safeParse(address).success || !isPort)
    throw new Failure('usage', 'Cannot read --listen', { hint: 'Give it as IP:PORT, such as 0.0.0.0:443' })
  const [certificate, key, origin] = ['cert', 'key', 'origin'].map(name => optional(input, name))
  const where = { address, port: Number(port) }
  if ([certificate, key, origin].every(one => one === undefined))
    return { ...where, origin: `https://${gatewayName}` }
  if (certificate === undefined || key === undefined || !audience.safeParse(origin).success)
    throw new Failure('usage', 'Options --cert, --key and --origin belong together', {
      hint: '--origin is the URL of the gateway, such as https://gateway.example',
    })
  return { ...where, own: { certificate, key }, origin: audience.parse(origin) }
}

/** The one genesis on file. Throws Failure 'usage'. */
async function findGenesis(world: World, input: Input): Promise<Enrolled<GenesisFile>> {
  const [genesis, ...others] = (await findNodes(world, input)).filter(isEnrolledGenesis)
  if (genesis !== undefined && others.length === 0) return genesis
  throw new Failure('usage', 'Cannot find the one genesis whose cluster the gateway is for', {
    hint: 'Its file is on the machine that enrolled it; where there are several give --node ID',
  })
}

function isEnrolledGenesis(node: NodeFile): node is Enrolled<GenesisFile> {
  return isGenesis(node) && node.enrolled !== undefined
}

type RegistryOf = {
  readonly folder: string
  readonly genesis: Enrolled<GenesisFile>
  readonly key: Buffer
}

/** The registry in its folder, with the token of the genesis; those of others come as they join here. */
async function openAlone(world: World, { folder, genesis, key }: RegistryOf): Promise<Registry> {
  await privateFolder(folder)
  const database = await openSqlite(join(folder, 'registry.db'))
  const { cluster, grant, wireguard, nodeId, enrolled } = genesis
  const { authority } = parseGrant(grant.text)
  const pool = poolOf({ address: wireguard.nodeAddress, prefix: wireguard.prefix })
  const registry = await openRegistry({ database, cluster, authority, gatewayKey: key, pool }, world.now())
  await keepToken(registry.nodeTokens, nodeId, enrolled.agentToken)
  return registry
}

// News come over WireGuard, all of them at once.
const everyMs = 15_000

type StartOf = Place & Omit<RegistryOf, 'folder'> & { readonly registry: Registry }

async function start(world: World, of: StartOf): Promise<RunningGateway> {
  const { address, port, origin, genesis, registry, key } = of
  const write = (line: string) => {
    world.out(`${line}\n`)
  }
  const log = (line: string) => {
    write(JSON.stringify({ time: world.now().toISOString(), desk: line }))
  }
  const agent = await deskAgent(world, { genesis, registry, log })
  const { membership } = await agent.news()
  if (membership.members.length === 0)
    throw new Failure('unreachable', 'Cannot learn who is in the cluster: its genesis does not answer', {
      hint: `Bring WireGuard up first (orama node wg-config --node-ip ${genesis.nodeIp}); once it was asked this is not needed any more`,
    })
  const { cluster, authority, gatewayKey, ...facts } = await agent.cluster()
  const certificate = await certificateOf(of)
  write(JSON.stringify({ time: world.now().toISOString(), certificate: certificate.fingerprint }))
  const listening = startGateway({
    ...{ address, port, version: packageJson.version, origin, certificate, registry, agent, write },
    signInKeys: signInKeys(key),
    offer: { cluster, authority, gatewayKey },
    network: facts,
    changes: { everyMs, now: () => world.now() },
  })
  return listening.catch((cause: unknown) => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const hint = deafHints[code]
    throw hint === undefined
      ? cause
      : new Failure('failed', `Cannot listen at ${address}:${port}`, { hint, cause })
  })
}

const deafHints: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another program does: end it, or give another port with --listen IP:PORT',
  EADDRNOTAVAIL: 'This machine does not have this address: give one that it has with --listen IP:PORT',
  EACCES: 'Ports below 1024 want root or CAP_NET_BIND_SERVICE: give a higher one with --listen IP:PORT',
}

/** The same as that of gateways on nodes, unless it was given one. */
function certificateOf({ own, key, genesis }: StartOf): Promise<Certificate> {
  if (own !== undefined) return readCertificate(own)
  const from = parseGrant(genesis.grant.text).issued
  return deriveCertificate(key, { cluster: genesis.cluster, from, names: [gatewayName], addresses: [] })
}
