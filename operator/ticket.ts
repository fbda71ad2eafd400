import { parseInvite } from '../protocol/cluster/invite.ts'
import type { Invite } from '../protocol/cluster/invite.ts'
import { tokenHex } from '../protocol/fields.ts'
import { lend, moveSecret } from '../protocol/secret.ts'
import { optional, required } from './command.ts'
import type { Input } from './command.ts'
import { findEnvironment, loadEnvironments, saveEnvironments } from './environments.ts'
import type { NamedEnvironment } from './environments.ts'
import { Failure } from './failure.ts'
import { readSmallFile } from './files.ts'
import type { World } from './world.ts'

/** What lets a node into a cluster: the token of an invite (32 bytes), and where the cluster's gateways answer. */
export type Ticket = { readonly token: Uint8Array; readonly environment: NamedEnvironment }

/** Reads the invite of --invite, or the token of --token for an environment; lends it and wipes its token. */
export async function withTicket<T>(
  world: World,
  input: Input,
  use: (ticket: Ticket) => Promise<T>,
): Promise<T> {
  const { hex, environment } = await readTicket(world, input)
  return lend(moveSecret(Buffer.from(hex, 'hex')), token => use({ token, environment }))
}

async function readTicket(
  world: World,
  input: Input,
): Promise<{ hex: string; environment: NamedEnvironment }> {
  const path = optional(input, 'invite')
  if (path !== undefined) {
    const invite = parseInvite(await readText(world, path))
    return { hex: invite.t, environment: await environmentOf(world, input, invite) }
  }
  const token = tokenHex.safeParse(await readText(world, required(input, 'token')))
  if (!token.success) throw new SyntaxError('Cannot read token: it is not 64 lower-case hex digits')
  return { hex: token.data, environment: await findEnvironment(world, input) }
}

/** Never of the command line: other users of this machine could read that. */
async function readText(world: World, path: string): Promise<string> {
  if (path === '-') return (await world.readFd(0)).toString().trim()
  return (await readSmallFile(path, 'Give the file that the invite is in, or - for standard input')).trim()
}

/** The environment that an invite is for: one on file, or the invite's own. */
async function environmentOf(world: World, input: Input, invite: Invite): Promise<NamedEnvironment> {
  const given = optional(input, 'env')
  const all = await loadEnvironments(world, input)
  const known = all.find(one => isOf(one, invite) && (given ?? one.name) === one.name)
  if (known !== undefined) return known
  const { u, f: fingerprint, s: serverName, c: cluster, a: authority } = invite
  const name = given ?? cluster.slice(0, 8)
  // Whoever sends invites must not move an environment, and with it the session, to a gateway of his own.
  if (all.some(one => one.name === name))
    throw new Failure('usage', `Environment ${name} is another than that of the invite`, {
      hint: 'Give --env with a name that is free',
    })
  const place = {
    gateway: new URL(u).origin,
    ...(fingerprint && { fingerprint }),
    ...(serverName && { serverName }),
  }
  return { name, ...place, cluster, authority }
}

function isOf(one: NamedEnvironment, { u, f, s, c }: Invite): boolean {
  return (
    one.gateway === new URL(u).origin && one.fingerprint === f && one.serverName === s && one.cluster === c
  )
}

/** Keeps the environment of an invite, if it is not on file yet. */
export async function keepTicketPlace(world: World, input: Input, { environment }: Ticket): Promise<void> {
  const all = await loadEnvironments(world, input)
  if (all.some(one => one.name === environment.name)) return
  world.err(`The cluster of the invite is environment ${environment.name} from now on\n`)
  await saveEnvironments(world, input, [...all, environment])
}
