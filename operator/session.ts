import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { base64url, clusterId, time } from '../protocol/fields.ts'
import { audience } from '../protocol/login.ts'
import type { Input } from './command.ts'
import { audienceOf } from './environments.ts'
import type { NamedEnvironment } from './environments.ts'
import { configFolder, isAbsent, privateFolder, readSmallFile, replaceFile } from './files.ts'
import type { World } from './world.ts'

/** What an operator has of a sign-in: sessions/<environment>.json, mode 0600. */
export const sessionSchema = z.strictObject({
  v: z.literal(1),
  cluster: clusterId,
  audience,
  token: z.string().min(1).max(1024),
  /** Of the token. */
  expires: time,
  /** Good once. */
  refresh: base64url({ length: 32 }),
})
export type Session = z.infer<typeof sessionSchema>

/** Where the session of an environment is kept. */
export function sessionPath(world: World, input: Input, { name }: NamedEnvironment): string {
  return join(configFolder(world, input), 'sessions', `${name}.json`)
}

/** The session that was kept; undefined where there is none, or one of another cluster or audience. */
export async function loadSession(path: string, of: NamedEnvironment): Promise<Session | undefined> {
  if (await isAbsent(path)) return undefined
  try {
    const session = sessionSchema.parse(JSON.parse(await readSmallFile(path)))
    return session.cluster === of.cluster && session.audience === audienceOf(of) ? session : undefined
  } catch (cause) {
    throw new SyntaxError(`Cannot read session '${path}'`, { cause })
  }
}

/** Replaces the session at once: who reads finds the old one or the new one. */
export async function saveSession(path: string, session: Session): Promise<void> {
  await privateFolder(join(path, '..'))
  await replaceFile(path, `${JSON.stringify(sessionSchema.parse(session), null, 2)}\n`)
}

/** The next sign-in asks the wallet. */
export async function forgetSession(path: string): Promise<void> {
  await rm(path, { force: true })
}
