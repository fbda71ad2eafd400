import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { Failure } from './failure.ts'

/** Whose certificate is accepted: the one of this fingerprint, or one that is publicly valid for the name. */
export type Identity = {
  /** SHA-256 of the certificate (DER), 64 hex digits; nothing else of it counts then. */
  readonly fingerprint?: string | undefined
  /** The name that is asked for; the host of the URL unless told otherwise. */
  readonly serverName?: string | undefined
}

/**
 * A connection by TLS 1.3 to the right server; nothing was sent on it yet. Throws Failure 'impostor' with the
 * fingerprint that was seen, else what node:tls throws.
 */
export async function connectTls(url: URL, identity: Identity, signal: AbortSignal): Promise<TLSSocket> {
  const name = identity.serverName ?? url.hostname
  const socket = connect({
    host: url.hostname,
    port: url.port === '' ? 443 : Number(url.port),
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
    // Judged below: a certificate that is pinned signs itself, and of one that fails people want the fingerprint.
    rejectUnauthorized: false,
    ...(isIP(name) === 0 ? { servername: name } : {}),
  })
  // For good: what goes wrong after the handshake comes to the request too, and unheard would end the process.
  socket.on('error', () => undefined)
  try {
    await once(socket, 'secureConnect', { signal })
    checkCertificate(socket, { origin: url.origin, ...identity })
    return socket
  } catch (cause) {
    socket.destroy()
    throw cause
  }
}

function checkCertificate(socket: TLSSocket, expected: Identity & { readonly origin: string }): void {
  const { origin, fingerprint } = expected
  const raw = socket.getPeerX509Certificate()?.raw
  const seen = raw === undefined ? 'none' : createHash('sha256').update(raw).digest('hex')
  if (fingerprint === undefined ? socket.authorized : seen === fingerprint) return
  const why =
    fingerprint === undefined
      ? `is not publicly valid (${String(socket.authorizationError)})`
      : 'is not the one on file'
  throw new Failure(
    'impostor',
    `Cannot trust ${origin}: its certificate ${why}; its fingerprint is ${seen}`,
    {
      hint: 'Nothing was sent. Compare the fingerprint with one that an operator tells you: orama env add … --fingerprint HEX',
    },
  )
}
