import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootTimeMs } from '../system/libc.ts'
import { describe, log } from '../system/log.ts'
import type { Run } from '../system/run.ts'
import { type DhcpReply, parseReply } from './dhcp-message.ts'
import type { DhcpQuestion, DhcpWorld } from './dhcp.ts'
import { listLinks } from './links.ts'

const serverPort = 67
const clientPort = 68
const everybody = '255.255.255.255'

/**
 * The real network. No raw socket: a host route to 255.255.255.255 decides by which link the broadcast leaves,
 * so one link is asked at a time.
 */
export function dhcpWorld(run: Run): DhcpWorld {
  const road = broadcastRoad(run)
  return {
    run,
    exchange: question => exchange(road, question),
    tell: async (link, message, to) => {
      if (to === everybody) await road.open(link)
      await using socket = await openSocket()
      await socket.send(message, to)
    },
    links: () => listLinks(),
    nowMs: bootTimeMs,
    sleep: async (ms, signal) => {
      await sleep(ms, undefined, { signal })
    },
    random: () => randomInt(2 ** 32) / 2 ** 32,
    log,
  }
}

/** The route by which broadcasts leave. It is set anew unless the last of them was answered. */
type Road = { readonly open: (link: string) => Promise<void>; readonly answered: (link: string) => void }

function broadcastRoad(run: Run): Road {
  let proven: string | undefined
  return {
    open: async link => {
      if (proven !== link)
        await run('ip', ['route', 'replace', `${everybody}/32`, 'dev', link], { quiet: true })
      proven = undefined
    },
    answered: link => (proven = link),
  }
}

async function exchange<T>(road: Road, question: DhcpQuestion<T>): Promise<T | undefined> {
  const { link, to } = question
  try {
    if (to === everybody) await road.open(link)
    await using socket = await openSocket()
    const answering = socket.answer(question)
    await socket.send(question.message, to)
    const answer = await answering
    if (to === everybody && answer !== undefined) road.answered(link)
    return answer
  } catch (cause) {
    log(`dhcp: ${question.link}: ${describe(cause)}`)
    await sleep(Math.min(question.timeoutMs, 1_000))
    return undefined
  }
}

type ClientSocket = AsyncDisposable & {
  readonly send: (message: Buffer, to: string) => Promise<void>
  readonly answer: <T>(question: DhcpQuestion<T>) => Promise<T | undefined>
}

async function openSocket(): Promise<ClientSocket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    socket.bind(clientPort, '0.0.0.0')
    await once(socket, 'listening')
  } catch (cause) {
    socket.close()
    throw cause
  }
  socket.setBroadcast(true)
  return {
    send: (message, to) => send(socket, message, to),
    answer: question => waitForAnswer(socket, question),
    [Symbol.asyncDispose]: async () => {
      socket.close()
      await once(socket, 'close')
    },
  }
}

function send(socket: Socket, message: Buffer, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(message, serverPort, to, cause => {
      if (cause === null) resolve()
      else reject(new Error(`Cannot send to ${to}`, { cause }))
    })
  })
}

function waitForAnswer<T>(socket: Socket, question: DhcpQuestion<T>): Promise<T | undefined> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, question.timeoutMs, undefined)
    socket.on('error', cause => {
      log(`dhcp: ${question.link}: ${describe(cause)}`)
    })
    socket.on('message', (bytes, from) => {
      const reply = readReply(bytes, from, question)
      const answer = reply === undefined ? undefined : question.accept(reply)
      if (answer === undefined) return
      clearTimeout(timer)
      resolve(answer)
    })
  })
}

/** Anything may arrive on port 68: what is not an answer to us is not worth a log line. */
function readReply<T>(bytes: Buffer, from: RemoteInfo, question: DhcpQuestion<T>): DhcpReply | undefined {
  if (from.port !== serverPort) return undefined
  try {
    return parseReply(bytes, question.client)
  } catch {
    return undefined
  }
}
