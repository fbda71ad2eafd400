import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { run, type RunOptions } from '../agent/system/run.ts'
import { atExit } from './cleanup.ts'
import { startProgram, type Program, type ProgramOptions } from './program.ts'

/** A network namespace that is ours alone: nothing in it reaches the host's network, nor the other way round. */
export type Namespace = AsyncDisposable & {
  readonly name: string
  /** Runs a program in it to its end and returns its standard output. */
  readonly exec: (program: string, args: readonly string[], options?: RunOptions) => Promise<string>
  /** Starts a program in it that runs beside us. */
  readonly start: (program: string, args: readonly string[], options?: ProgramOptions) => Promise<Program>
  /** Moves this process into it until the end of the returned block: sockets made then are in the namespace. */
  readonly enter: () => Promise<AsyncDisposable>
}

let made = 0

/** Makes a namespace named `orama-<pid>-<number>` with its loopback up. Needs root. */
export async function makeNamespace(): Promise<Namespace> {
  if (process.getuid?.() !== 0) throw new Error('Cannot make a network namespace: root is needed')
  await removeStale()
  made += 1
  const name = `orama-${process.pid}-${made}`
  await run('ip', ['netns', 'add', name])
  const release = atExit(() => spawnSync('ip', ['netns', 'delete', name]))
  const exec: Namespace['exec'] = (program, args, options) =>
    run('ip', ['netns', 'exec', name, program, ...args], options)
  await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  const dispose = async () => {
    await run('ip', ['netns', 'delete', name])
    release()
  }
  return {
    name,
    exec,
    start: (program, args, options = {}) => startProgram(program, args, { ...options, namespace: name }),
    enter: () => enter(name),
    [Symbol.asyncDispose]: dispose,
  }
}

/** A process that was killed could not delete its namespaces: the next one does, once the owner is gone. */
async function removeStale(): Promise<void> {
  const list = await run('ip', ['netns', 'list'])
  for (const name of staleNames(list, pid => existsSync(`/proc/${pid}`)))
    await run('ip', ['netns', 'delete', name]).catch(() => undefined) // another process may have been faster
}

/** Our namespaces in the output of `ip netns list` whose process does not live any more. */
export function staleNames(list: string, lives: (pid: string) => boolean): string[] {
  return list.split('\n').flatMap(line => {
    const match = /^(orama-(\d+)-\d+)( |$)/.exec(line)
    return match?.[1] !== undefined && match[2] !== undefined && !lives(match[2]) ? [match[1]] : []
  })
}

const newNetwork = 0x40000000 // CLONE_NEWNET of linux/sched.h

/** setns(2) on the main thread, which is the one that libuv makes sockets on. Names are looked up elsewhere. */
async function enter(name: string): Promise<AsyncDisposable> {
  const { dlopen } = await import('node:ffi')
  const { functions } = dlopen('libc.so.6', { setns: { arguments: ['i32', 'i32'], return: 'i32' } })
  const move = (file: FileHandle) => {
    if (functions.setns(file.fd, newNetwork) !== 0)
      throw new Error(`Cannot enter network namespace '${name}'`)
  }
  const home = await open('/proc/thread-self/ns/net')
  try {
    await using target = await open(`/run/netns/${name}`)
    move(target)
  } catch (cause) {
    await home.close()
    throw cause
  }
  const leave = async () => {
    move(home)
    await home.close()
  }
  return { [Symbol.asyncDispose]: leave }
}
