import { setImmediate } from 'node:timers/promises'
import { qemuArguments } from './arguments.ts'
import { openConsole, type Console } from './console.ts'
import { within } from './deadline.ts'
import { workFolder } from './folder.ts'
import { listenForMonitor, type Monitor, type MonitorEvent, type MonitorPort } from './monitor.ts'
import { layOut, nameOf, type MachineFiles, type MachineOptions } from './options.ts'
import { describeExit, startProgram, type Exit, type Program } from './program.ts'

export type Machine = AsyncDisposable & {
  readonly name: string
  readonly pid: number
  readonly mac: string | undefined
  readonly address: string | undefined
  readonly console: Console
  readonly monitor: Monitor
  /** Resolves when QEMU and the TPM have ended and the transcript is whole. */
  readonly exited: Promise<Exit>
  /** Types on the machine's serial line. */
  readonly type: (text: string) => void
  /** What QEMU reported so far, such as RESET, SHUTDOWN, WATCHDOG; oldest first. */
  readonly events: () => readonly MonitorEvent[]
  /** Presses the reset button and waits until the next boot has begun. */
  readonly reset: () => Promise<void>
  /** Ends QEMU in order: its logs are complete, the guest notices nothing. */
  readonly stop: () => Promise<Exit>
  /** Ends QEMU by SIGKILL, as a power cut of the host would; nothing where it has ended. */
  readonly kill: () => Promise<Exit>
  readonly files: MachineFiles
}

const startDeadlineMs = 20_000
// QEMU syncs its disks before it ends, and the host may have much to write.
const quitDeadlineMs = 60_000
const eventsMax = 1000
const resetDeadlineMs = 10_000

/** Starts a machine; it runs until it powers off or its block ends. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  await using stack = new AsyncDisposableStack()
  const sockets = stack.use(await workFolder())
  const { layout, files } = await layOut(options, sockets.path)
  const port = await listenForMonitor(layout.monitorSocket)
  stack.defer(port.close)
  const tpm = layout.tpmSocket === undefined ? undefined : await options.tpm?.start(layout.tpmSocket)
  stack.use(tpm)
  const inNamespace = options.port === undefined ? {} : { namespace: options.port.namespace }
  const qemu = stack.use(await startProgram('qemu-system-x86_64', qemuArguments(layout), inNamespace))
  const console = openConsole(files.console)
  const ended = endOf({ qemu, console, tpm })
  watchOutput(qemu, console, options.onOutput)
  const monitor = await meet(qemu, port)
  const events = watchEvents(monitor, console)
  const owned = stack.move()
  const exited = ended.finally(() => owned.disposeAsync())
  return controls({ options, qemu, console, monitor, events, exited, files })
}

/** The monitor of a QEMU that has just started, or why there is none. */
async function meet(qemu: Program, port: MonitorPort): Promise<Monitor> {
  const died = qemu.exited.then(() => {
    throw new Error('QEMU ended at once')
  })
  died.catch(() => undefined)
  try {
    return await Promise.race([port.accept(startDeadlineMs), died])
  } catch (cause) {
    const exit = await qemu.stop()
    throw new Error(`Cannot start a machine: QEMU ended (${describeExit(exit)}): ${qemu.complaint()}`, {
      cause,
    })
  }
}

type Parts = { readonly qemu: Program; readonly console: Console; readonly tpm: Program | undefined }

async function endOf({ qemu, console, tpm }: Parts): Promise<Exit> {
  const exit = await qemu.exited
  const complaint = qemu.complaint()
  console.end(`the machine ended (${describeExit(exit)})${complaint === '' ? '' : `: ${complaint}`}`)
  await tpm?.stop()
  return exit
}

/** Everything the machine prints goes into the transcript, and to whoever else listens. */
function watchOutput(qemu: Program, console: Console, listener: MachineOptions['onOutput']): void {
  qemu.stdout.on('data', (bytes: Buffer) => {
    console.feed(bytes)
    listener?.(bytes)
  })
}

function watchEvents(monitor: Monitor, console: Console): readonly MonitorEvent[] {
  const events: MonitorEvent[] = []
  monitor.onEvent(event => {
    if (events.length < eventsMax) events.push(event)
    if (event.event === 'RESET') void countBoot(console, reasonOf(event))
  })
  return events
}

function reasonOf({ data }: MonitorEvent): string {
  return typeof data['reason'] === 'string' ? data['reason'] : 'reset'
}

/** What was printed before the reset may still lie in the pipe: it is read before the next boot is counted. */
async function countBoot(console: Console, reason: string): Promise<void> {
  await setImmediate()
  await setImmediate()
  console.nextBoot(reason)
}

type Running = {
  readonly options: MachineOptions
  readonly qemu: Program
  readonly console: Console
  readonly monitor: Monitor
  readonly events: readonly MonitorEvent[]
  readonly exited: Promise<Exit>
  readonly files: MachineFiles
}

function controls({ options, qemu, console, monitor, events, exited, files }: Running): Machine {
  const kill = async () => {
    await qemu.kill()
    return exited
  }
  const stop = async () => {
    // QEMU may end between the question and the answer; whatever happens, it does not stay.
    await monitor.quit().catch(() => undefined)
    return within(exited, quitDeadlineMs, 'QEMU to quit').catch(kill)
  }
  return {
    name: nameOf(options),
    pid: qemu.pid,
    mac: options.port?.mac,
    address: options.port?.address,
    ...{ console, monitor, exited, files, stop, kill },
    events: () => events,
    type: text => {
      qemu.stdin.write(text)
    },
    reset: async () => {
      const next = console.waitForBoot(console.boots() + 1, resetDeadlineMs)
      await Promise.all([monitor.reset(), next])
    },
    [Symbol.asyncDispose]: async () => {
      await stop()
    },
  }
}
