import { randomFillSync } from 'node:crypto'
import { formatInvite, inviteKey, tokenHash } from '../protocol/cluster/invite.ts'
import { inviteEntrySchema, inviteListSchema } from '../protocol/cluster/joining.ts'
import type { InviteEntry } from '../protocol/cluster/joining.ts'
import { composeVoucher, voucherHoursMax } from '../protocol/cluster/voucher.ts'
import { formatTime, sha256Hex } from '../protocol/fields.ts'
import type { SignedText } from '../protocol/fields.ts'
import { lend, secretBuffer } from '../protocol/secret.ts'
import { signText } from '../protocol/wallet.ts'
import { integer } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { environmentOptions, findEnvironment } from './environments.ts'
import type { NamedEnvironment } from './environments.ts'
import { Failure } from './failure.ts'
import { askGateway } from './gateway.ts'
import { bearerOf, signedIn, walletInput } from './sign-in.ts'
import type { Visitor } from './sign-in.ts'
import { table } from './table.ts'
import { walletOptions, withWallet } from './wallet.ts'
import type { World } from './world.ts'

const options = { ...environmentOptions, ...walletOptions }
// A voucher is dated back by a little, and lives no longer than vouchers may.
const hours = { min: 1, max: voucherHoursMax - 1, fallback: 24 }

export const nodeInvite: Command = {
  help: 'make an invite, by which whoever holds it may enroll one node',
  options: {
    ...options,
    hours: { help: `how long it is good, up to ${hours.max} (default: ${hours.fallback})`, value: 'N' },
  },
  examples: ['(umask 077; orama node invite >invite.txt)', 'orama node invite --env home --hours 2 --json'],
  run: invite,
}

export const nodeInvites: Command = {
  help: 'list invites and what became of them',
  options,
  examples: ['orama node invites --env home'],
  async run(world, input) {
    const visitor = { world, input, environment: await findEnvironment(world, input) }
    const question = { method: 'GET', path: '/v1/operator/invites', answer: inviteListSchema } as const
    const list = await signedIn(visitor, token =>
      askGateway(world, visitor.environment, { ...question, headers: bearerOf(token) }),
    )
    return { json: list, text: describeInvites(list.invites) }
  },
}

export const nodeRevokeInvite: Command = {
  help: 'take back an invite that is not spent, by its hash',
  words: ['HASH'],
  options,
  examples: [
    'orama node revoke-invite 5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5 --env home',
  ],
  async run(world, input) {
    const [hash, ...others] = input.words
    if (others.length > 0 || !sha256Hex.safeParse(hash).success)
      throw new Failure('usage', 'Cannot read the hash of the invite', {
        hint: "'orama node invites' shows them",
      })
    const environment = await findEnvironment(world, input)
    const entry = await postSignedIn({ world, input, environment }, 'revoke', { tokenHash: hash })
    return { json: entry, text: `Invite ${entry.tokenHash} is ${entry.state}.` }
  },
}

async function invite(world: World, input: Input): Promise<Output> {
  const environment = await findEnvironment(world, input)
  const life = integer(input, 'hours', hours)
  const token = secretBuffer(32)
  return lend(randomFillSync(token), () =>
    withWallet(world, walletInput(input, environment), async wallet => {
      const hash = hashOfToken(token)
      const expires = formatTime(new Date(world.now().getTime() + life * 3_600_000))
      const issued = formatTime(new Date(world.now().getTime() - backMs))
      const text = composeVoucher({ cluster: environment.cluster, tokenHash: hash, issued, expires })
      const voucher: SignedText = { text, signature: signText(text, wallet.privateKey) }
      const entry = await postSignedIn({ world, input, environment, wallet }, 'invite', { voucher })
      if (entry.tokenHash !== hash || entry.state !== 'open')
        throw new Failure('failed', 'The gateway did not take the invite')
      world.err(`Good until ${expires}, for one node; its hash is ${hash}\n`)
      const shown = formatInvite(inviteOf(environment, token))
      return { json: { invite: shown, tokenHash: hash, expires }, text: shown }
    }),
  )
}

// The grant of the invited has to be issued while the voucher is good, by a clock that may be a little behind.
const backMs = 5 * 60_000

/** How voucher, grant and registry name a token of 32 bytes. */
export function hashOfToken(token: Uint8Array): string {
  const { privateKey, publicKey } = inviteKey(token)
  privateKey.fill(0)
  return tokenHash(publicKey)
}

function inviteOf(environment: NamedEnvironment, token: Buffer): Parameters<typeof formatInvite>[0] {
  const { gateway, fingerprint, serverName, cluster, authority } = environment
  return {
    u: gateway,
    t: token.toString('hex'),
    ...(fingerprint === undefined ? {} : { f: fingerprint }),
    ...(serverName === undefined ? {} : { s: serverName }),
    c: cluster,
    a: authority,
  }
}

function postSignedIn(visitor: Visitor, name: 'invite' | 'revoke', body: unknown): Promise<InviteEntry> {
  const question = {
    method: 'POST',
    path: `/v1/operator/${name}`,
    body: JSON.stringify(body),
    answer: inviteEntrySchema,
  } as const
  return signedIn(visitor, token =>
    askGateway(visitor.world, visitor.environment, { ...question, headers: bearerOf(token) }),
  )
}

function describeInvites(invites: readonly InviteEntry[]): string {
  const rows = invites.map(one => [one.tokenHash, one.state, one.expires, one.operator])
  return table(['hash', 'state', 'expires', 'operator'], rows)
}
