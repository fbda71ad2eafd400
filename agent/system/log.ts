import { inspect } from 'node:util'

/** One line of the agent's own log: where it goes is decided by the sinks, console and log file. */
export type LogSink = (line: string) => void

const linesKept = 1000
const lineCharactersMax = 4096
const recent: string[] = []
const sinks = new Set<LogSink>()

/** Writes one line, with the seconds since the kernel started, to every sink; keeps the last 1,000. */
export function log(message: string): void {
  for (const line of store(message)) for (const sink of sinks) sink(line)
}

/** Writes a line to the consoles as it is. Not kept: what only who stands there may see is not in the log. */
export function announce(line: string): void {
  for (const sink of sinks) sink(printable(line))
}

/** Keeps a line without showing it. */
export function keep(message: string): void {
  store(message)
}

function store(message: string): readonly string[] {
  const time = `[${uptimeS().toFixed(3).padStart(9)}]`
  const lines = message.split('\n').map(part => `${time} ${printable(part)}`)
  recent.push(...lines)
  if (recent.length > linesKept) recent.splice(0, recent.length - linesKept)
  return lines
}

/**
 * Some of what is logged comes from strangers and from files that anybody can write: without this a carriage
 * return or an escape sequence could forge a line of the console, such as the claim word.
 */
function printable(text: string): string {
  return text
    .slice(0, lineCharactersMax)
    .replaceAll('\t', ' ')
    .replace(/\p{Cc}/gu, '?')
}

/** Adds a sink and returns the function that takes it away again. */
export function addLogSink(sink: LogSink): () => void {
  sinks.add(sink)
  return () => sinks.delete(sink)
}

/** The newest lines, oldest first. */
export function recentLines(count: number): readonly string[] {
  return recent.slice(-count)
}

/** For what may fail without stopping the boot: `await setClock().catch(tolerate('clock'))`. */
export function tolerate(what: string): (cause: unknown) => void {
  return cause => {
    log(`${what}: failed, going on: ${describe(cause)}`)
  }
}

/** The messages of an error and its causes in one line, without stacks. Never throws itself. */
export function describe(error: unknown): string {
  const parts: string[] = []
  for (let e = error; e !== undefined && parts.length < 8; e = e instanceof Error ? e.cause : undefined)
    parts.push(e instanceof Error ? e.message || e.name : inspect(e, { depth: 2, breakLength: Infinity }))
  return parts.join(': ')
}

/** CLOCK_MONOTONIC in seconds. */
export function uptimeS(): number {
  return Number(process.hrtime.bigint()) / 1e9
}
