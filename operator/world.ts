import { createReadStream } from 'node:fs'
import { followHttp, sendHttp } from './http.ts'
import type { Follow, Http } from './http.ts'
import { runProgram } from './program.ts'
import type { RunProgram } from './program.ts'
import { askTerminal } from './terminal.ts'
import type { Ask } from './terminal.ts'

/** All that a command may touch besides the files that it names; tests pass their own. */
export type World = {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isTerminal: boolean
  /** Whether a person reads what is printed. */
  readonly isOutTerminal: boolean
  out(text: string): void
  err(text: string): void
  now(): Date
  /** Does something after a delay, unless it is cancelled by what this returns. */
  later(delayMs: number, act: () => void): () => void
  /** Does something at SIGINT or SIGTERM instead of dying, until what this returns is called. */
  onInterrupt(act: () => void): () => void
  readonly http: Http
  readonly follow: Follow
  readonly ask: Ask
  /** The bytes of an inherited file descriptor, at most 64 KiB. */
  readFd(fd: number): Promise<Buffer>
  readonly run: RunProgram
}

/** The machine that `orama` runs on. */
export function realWorld(): World {
  return {
    env: process.env,
    isTerminal: process.stdin.isTTY,
    isOutTerminal: process.stdout.isTTY,
    out: text => process.stdout.write(text),
    err: text => process.stderr.write(text),
    now: () => new Date(),
    later,
    onInterrupt,
    http: sendHttp,
    follow: followHttp,
    ask: askTerminal,
    readFd,
    run: runProgram,
  }
}

function later(delayMs: number, act: () => void): () => void {
  const timer = setTimeout(act, delayMs)
  return () => {
    clearTimeout(timer)
  }
}

function onInterrupt(act: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, act)
  return () => {
    for (const signal of signals) process.off(signal, act)
  }
}

const fdBytesMax = 64 * 1024

async function readFd(fd: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of createReadStream('', { fd, autoClose: false }) as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > fdBytesMax)
      throw new RangeError(`Cannot read file descriptor ${fd}: more than ${fdBytesMax} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}
