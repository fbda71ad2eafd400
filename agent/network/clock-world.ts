import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { hurried } from '../system/faults.ts'
import { setRealTimeMs } from '../system/libc.ts'
import { log } from '../system/log.ts'
import type { ClockWorld } from './clock.ts'
import { setHardwareClock } from './hardware-clock.ts'
import { encodeSntpRequest, parseSntpReply, type SntpAnswer } from './sntp.ts'

const answerMs = 2_000

/** The real clock and the real network. */
export function clockWorld(): ClockWorld {
  return {
    ask: server => askServer({ host: server, port: 123 }),
    nowMs: () => Date.now(),
    setMs: setRealTimeMs,
    setHardwareMs: setHardwareClock,
    sleep: async (ms, signal) => {
      await sleep(hurried(ms, 'clock'), undefined, { signal })
    },
    random: Math.random,
    log,
  }
}

/** One question to one server; throws Error after 2 s. Answers that are not ours are passed over. */
export async function askServer(server: {
  readonly host: string
  readonly port: number
}): Promise<SntpAnswer> {
  const socket = createSocket('udp4')
  try {
    const signal = AbortSignal.timeout(answerMs)
    // Connected: the kernel passes on only what comes from the server's own address and port.
    socket.connect(server.port, server.host)
    await once(socket, 'connect', { signal })
    const nonce = randomBytes(8)
    const sentMs = Date.now()
    const started = performance.now()
    socket.send(encodeSntpRequest(nonce))
    for (;;) {
      const [bytes] = (await once(socket, 'message', { signal })) as [Buffer]
      // By the clock that nobody sets: the other one may have been moved while we waited.
      const receivedMs = sentMs + performance.now() - started
      const answer = readAnswer(bytes, { nonce, sentMs, receivedMs })
      if (answer !== undefined) return answer
    }
  } catch (cause) {
    throw new Error(`Cannot get the time from '${server.host}'`, { cause })
  } finally {
    socket.close()
  }
}

function readAnswer(...args: Parameters<typeof parseSntpReply>): SntpAnswer | undefined {
  try {
    return parseSntpReply(...args)
  } catch (cause) {
    log(`clock: ${String(cause)}`)
    return undefined
  }
}
