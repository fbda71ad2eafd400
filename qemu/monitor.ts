import { createServer, type Server, type Socket } from 'node:net'
import { z } from 'zod'
import { within } from './deadline.ts'

/** An error that QEMU answered to a command; `code` is its class, such as 'GenericError'. */
export class MonitorError extends Error {
  readonly code: string
  constructor(command: string, error: { class: string; desc: string }) {
    super(`Cannot ${command}: ${error.desc}`)
    this.name = 'MonitorError'
    this.code = error.class
  }
}

export type MonitorEvent = { readonly event: string; readonly data: Readonly<Record<string, unknown>> }

/** QEMU's monitor, by the QEMU Machine Protocol (docs/interop/qmp-spec of QEMU). */
export type Monitor = {
  readonly execute: (
    command: string,
    args?: Readonly<Record<string, unknown>>,
    deadlineMs?: number,
  ) => Promise<unknown>
  readonly reset: () => Promise<void>
  readonly powerDown: () => Promise<void>
  readonly quit: () => Promise<void>
  readonly pause: () => Promise<void>
  readonly resume: () => Promise<void>
  /** The run state, such as 'running' or 'paused'. */
  readonly status: () => Promise<string>
  /** Writes the guest's memory, as an ELF core, to an absolute path. */
  readonly dumpMemory: (file: string) => Promise<void>
  readonly onEvent: (handler: (event: MonitorEvent) => void) => () => void
  readonly close: () => void
}

const commandDeadlineMs = 10_000
const dumpDeadlineMs = 180_000
const lineBytesMax = 1024 * 1024

const event = z.object({ event: z.string().max(64), data: z.record(z.string(), z.unknown()).default({}) })
const answer = z.union([
  z.object({ id: z.number(), return: z.unknown() }),
  z.object({ id: z.number(), error: z.object({ class: z.string(), desc: z.string() }) }),
])
const greeting = z.object({ QMP: z.object({}) })
const message = z.union([event, answer, greeting])

export type MonitorMessage = z.infer<typeof message>

/** One line of QMP. Throws SyntaxError for anything but a greeting, an event or an answer. */
export function parseMessage(line: string): MonitorMessage {
  try {
    return message.parse(JSON.parse(line))
  } catch (cause) {
    throw new SyntaxError(`Cannot read a line of QMP: ${line.slice(0, 200)}`, { cause })
  }
}

export type MonitorPort = {
  /** The monitor of the QEMU that connects; capabilities are negotiated. */
  readonly accept: (deadlineMs: number) => Promise<Monitor>
  readonly close: () => void
}

/**
 * Listens on a UNIX socket (under 108 bytes) that QEMU connects to at its start: no polling for a socket
 * that is not there yet, and no event is missed.
 */
export async function listenForMonitor(path: string): Promise<MonitorPort> {
  const server = createServer()
  const connected = new Promise<Socket>(resolve => server.once('connection', resolve))
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => {
      reject(new Error(`Cannot listen on '${path}'`, { cause }))
    })
    server.listen(path, resolve)
  })
  return {
    accept: async deadlineMs =>
      accept(server, await within(connected, deadlineMs, 'QEMU to open its monitor')),
    close: () => server.close(),
  }
}

async function accept(server: Server, socket: Socket): Promise<Monitor> {
  server.close()
  const monitor = speak(socket)
  await monitor.execute('qmp_capabilities')
  return monitor
}

type Pending = {
  readonly command: string
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

function speak(socket: Socket): Monitor {
  const pending = new Map<number, Pending>()
  const handlers = new Set<(event: MonitorEvent) => void>()
  let number = 0
  readLines(socket, line => {
    dispatch(parseMessage(line), { pending, handlers })
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    for (const { command, reject } of pending.values())
      reject(new Error(`Cannot ${command}: QEMU has closed its monitor`))
    pending.clear()
  })
  const execute: Monitor['execute'] = (command, args = {}, deadlineMs = commandDeadlineMs) => {
    if (socket.destroyed) return Promise.reject(new Error(`Cannot ${command}: QEMU has closed its monitor`))
    const id = ++number
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    pending.set(id, { command, resolve, reject })
    socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
    return within(promise, deadlineMs, `QEMU to answer ${command}`).finally(() => pending.delete(id))
  }
  return {
    execute,
    ...verbs(execute),
    onEvent: handler => subscribe(handlers, handler),
    close: () => socket.destroy(),
  }
}

function subscribe<T>(handlers: Set<T>, handler: T): () => void {
  handlers.add(handler)
  return () => handlers.delete(handler)
}

function verbs(execute: Monitor['execute']) {
  const simple = (command: string) => async () => {
    await execute(command)
  }
  return {
    reset: simple('system_reset'),
    powerDown: simple('system_powerdown'),
    quit: simple('quit'),
    pause: simple('stop'),
    resume: simple('cont'),
    status: async () => z.object({ status: z.string() }).parse(await execute('query-status')).status,
    dumpMemory: async (file: string) => {
      await execute('dump-guest-memory', { paging: false, protocol: `file:${file}` }, dumpDeadlineMs)
    },
  }
}

type Listeners = {
  readonly pending: Map<number, Pending>
  readonly handlers: Set<(event: MonitorEvent) => void>
}

function dispatch(received: MonitorMessage, { pending, handlers }: Listeners): void {
  if ('event' in received) for (const handler of handlers) handler(received)
  if (!('id' in received)) return
  const waiting = pending.get(received.id)
  if (waiting === undefined) return
  if ('error' in received) waiting.reject(new MonitorError(waiting.command, received.error))
  else waiting.resolve(received.return)
}

function readLines(socket: Socket, handle: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (data: string) => {
    const lines = (rest + data).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > lineBytesMax) socket.destroy(new RangeError('Cannot read QMP: endless line'))
    for (const line of lines) if (line.trim() !== '') handle(line)
  })
}
