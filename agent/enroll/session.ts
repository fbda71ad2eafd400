import { newClaimWord } from '../../protocol/claim.ts'
import { toBase64url, formatTime } from '../../protocol/fields.ts'
import { enrollmentCode, type Hello, helloMinutesMax } from '../../protocol/hello.ts'
import { type KeyPair, newKeyPair } from '../../protocol/keys.ts'

/** The keys that a node offers while it waits for its owner, and what people compare them by. */
export type Session = {
  readonly hello: Hello
  readonly code: string
  /** A secret of the console. */
  readonly claim: string
  readonly keys: Readonly<Record<'enrollment' | 'wireguard' | 'identity' | 'lease', KeyPair>>
  /** CLOCK_BOOTTIME in milliseconds: setting the clock neither shortens nor revives a session. */
  readonly endsMs: number
}

/** Makes new keys, valid for 15 minutes. */
export async function newSession(of: { version: string; nowMs: number; bootMs: number }): Promise<Session> {
  const keys = {
    enrollment: newKeyPair('x25519'),
    wireguard: newKeyPair('x25519'),
    identity: newKeyPair('ed25519'),
    lease: newKeyPair('ed25519'),
  }
  const livesMs = helloMinutesMax * 60_000
  const hello: Hello = {
    v: 1,
    enrollment: toBase64url(keys.enrollment.publicKey),
    wireguard: keys.wireguard.publicKey.toString('base64'),
    identity: toBase64url(keys.identity.publicKey),
    lease: toBase64url(keys.lease.publicKey),
    version: of.version,
    expires: formatTime(new Date(of.nowMs + livesMs)),
  }
  return {
    hello,
    code: await enrollmentCode(hello),
    claim: newClaimWord(),
    keys,
    endsMs: of.bootMs + livesMs,
  }
}

/** Wipes the private keys of a session that is over. */
export function endSession(session: Session): void {
  for (const pair of Object.values(session.keys)) pair.privateKey.fill(0)
}
