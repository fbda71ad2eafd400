import { Agent } from 'node:https'
import { connectTls } from './tls.ts'
import type { Identity } from './tls.ts'

const agents = new Map<string, Agent>()

/**
 * Keeps connections to a server that was judged to be the right one, for as long as the server says: commands ask
 * several times, and a handshake costs more than an answer. Each connection is judged before anything is sent on it.
 */
export function judgedAgent({ origin }: URL, identity: Identity): Agent {
  const key = JSON.stringify([origin, identity.fingerprint, identity.serverName])
  const agent = agents.get(key) ?? newAgent(new URL(origin), identity)
  agents.set(key, agent)
  return agent
}

// Also where the server does not say how long. Without one, Node does not heed what the server says.
const keptMsMax = 60_000

function newAgent(url: URL, identity: Identity): Agent {
  const agent = new Agent({ keepAlive: true, timeout: keptMsMax })
  agent.createConnection = (options, done) => {
    const signal = options.signal ?? new AbortController().signal
    connectTls(url, identity, signal).then(
      socket => done?.(null, socket),
      (cause: unknown) => done?.(cause as Error, undefined as never),
    )
    return undefined
  }
  return agent
}
