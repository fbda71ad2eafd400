import * as z from 'zod'
import type { SignedText } from '../protocol/fields.ts'
import { challengeSchema, checkChallenge, composeLogin, tokensSchema } from '../protocol/login.ts'
import type { Challenge, Tokens } from '../protocol/login.ts'
import { signText } from '../protocol/wallet.ts'
import type { Input } from './command.ts'
import { audienceOf, findEnvironment } from './environments.ts'
import type { NamedEnvironment } from './environments.ts'
import { Failure } from './failure.ts'
import { askGateway } from './gateway.ts'
import { withLock } from './lock.ts'
import { forgetSession, loadSession, saveSession, sessionPath } from './session.ts'
import type { Session } from './session.ts'
import { withWallet } from './wallet.ts'
import type { Wallet } from './wallet.ts'
import type { World } from './world.ts'

/** An operator at an environment's gateways. */
export type Visitor = {
  readonly world: World
  readonly input: Input
  readonly environment: NamedEnvironment
  /** Opened already; without it the wallet is opened where a signature is needed. */
  readonly wallet?: Wallet
}

/**
 * Does something with the operator's bearer token: the one of the last command, a new one by its refresh token, or
 * one for a signature of the wallet. A token that no gateway takes is forgotten, and the wallet asked once.
 */
export async function signedIn<T>(visitor: Visitor, use: (token: string) => Promise<T>): Promise<T> {
  const token = await takeToken(visitor)
  try {
    return await use(token)
  } catch (error) {
    if (!isRefusal(error, [401])) throw error
    const path = pathOf(visitor)
    await withLock(visitor.world, lockOf(path), async () => {
      const kept = await loadSession(path, visitor.environment)
      if (kept?.token === token) await forgetSession(path)
    })
    return use(await takeToken(visitor))
  }
}

/** The header for a bearer token. */
export function bearerOf(token: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token}` }
}

function pathOf({ world, input, environment }: Visitor): string {
  return sessionPath(world, input, environment)
}

function lockOf(path: string): string {
  return `${path}.lock`
}

async function takeToken(visitor: Visitor): Promise<string> {
  const { world, environment } = visitor
  const path = pathOf(visitor)
  const kept = await loadSession(path, environment)
  if (kept !== undefined && isGood(kept, world.now())) return kept.token
  // A refresh token that comes twice ends the session: of two commands at once, the other finds what the first saved.
  return withLock(world, lockOf(path), async () => {
    const now = await loadSession(path, environment)
    if (now !== undefined && isGood(now, world.now())) return now.token
    const tokens = (now === undefined ? undefined : await refresh(visitor, now)) ?? (await logIn(visitor))
    const { cluster } = environment
    await saveSession(path, { v: 1, cluster, audience: audienceOf(environment), ...tokens })
    return tokens.token
  })
}

// A command must not outlive its token.
const spareMs = 60_000

function isGood(session: Session, now: Date): boolean {
  return Date.parse(session.expires) - now.getTime() > spareMs
}

/** New tokens; undefined where the session is over. */
async function refresh({ world, environment }: Visitor, kept: Session): Promise<Tokens | undefined> {
  const body = JSON.stringify({ refresh: kept.refresh })
  const question = { method: 'POST', path: '/v1/operator/refresh', body, answer: tokensSchema } as const
  try {
    return await askGateway(world, environment, question)
  } catch (error) {
    if (isRefusal(error, [401, 403])) return undefined
    throw error
  }
}

function isRefusal(error: unknown, statuses: readonly number[]): boolean {
  return error instanceof Failure && error.status !== undefined && statuses.includes(error.status)
}

async function logIn(visitor: Visitor): Promise<Tokens> {
  const { world, input, environment, wallet } = visitor
  world.err(`Signing in at ${environment.gateway}\n`)
  if (wallet !== undefined) return logInBy(visitor, wallet)
  return withWallet(world, walletInput(input, environment), opened => logInBy(visitor, opened))
}

/** The words of a command, with the environment's keystore where the command names none. */
export function walletInput(input: Input, { wallet }: NamedEnvironment): Input {
  if (wallet === undefined || input.values['wallet'] !== undefined) return input
  return { ...input, values: { ...input.values, wallet } }
}

/** The same, where a command has an environment at all. */
export async function walletInputOf(world: World, input: Input): Promise<Input> {
  if (input.values['env'] === undefined) return input
  return walletInput(input, await findEnvironment(world, input))
}

async function logInBy({ world, environment }: Visitor, wallet: Wallet): Promise<Tokens> {
  const post = <T>(path: string, body: unknown, answer: z.ZodType<T>) =>
    askGateway(world, environment, { method: 'POST', path, body: JSON.stringify(body), answer })
  const { address } = wallet
  const challenge = await post('/v1/operator/challenge', { address }, challengeSchema)
  const login = signLogin(challenge, { wallet, environment, now: world.now() })
  return post('/v1/operator/login', login, tokensSchema)
}

type Login = { readonly wallet: Wallet; readonly environment: NamedEnvironment; readonly now: Date }

function signLogin(challenge: Challenge, { wallet, environment, now }: Login): SignedText {
  const { cluster } = environment
  try {
    checkChallenge(challenge, { cluster, audience: audienceOf(environment), address: wallet.address, now })
  } catch (cause) {
    throw new Failure('impostor', "Cannot sign the gateway's challenge", {
      cause,
      hint: 'Nothing was signed',
    })
  }
  const text = composeLogin(challenge)
  return { text, signature: signText(text, wallet.privateKey) }
}
