import { isSet } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { environmentOptions, findEnvironment } from './environments.ts'
import { describeFailure } from './failure.ts'
import { describeReport, isAllReady, makeReport } from './report.ts'
import type { Row } from './report.ts'
import { loadSeen } from './seen.ts'
import type { Seen } from './seen.ts'
import type { Visitor } from './sign-in.ts'
import { walletOptions } from './wallet.ts'
import type { World } from './world.ts'

export const monitorReport: Command = {
  help: 'a table of all nodes of a cluster',
  options: {
    ...environmentOptions,
    watch: { help: 'again every 5 seconds, until interrupted' },
    strict: { help: 'exit code 1 unless all nodes are ready' },
    ...walletOptions,
  },
  examples: ['orama monitor report --env home', 'orama monitor report --env home --strict --json'],
  async run(world, input) {
    const environment = await findEnvironment(world, input)
    const visitor = { world, input, environment }
    const seen = await loadSeen(world, input, environment)
    if (isSet(input, 'watch')) return watch(visitor, seen)
    const rows = await makeReport(visitor, seen)
    return { ...outputOf(rows), ...verdict(input, rows) }
  },
}

function outputOf(rows: readonly Row[]): Output {
  return { json: { ready: isAllReady(rows), nodes: rows }, text: describeReport(rows) }
}

function verdict(input: Input, rows: readonly Row[]): Pick<Output, 'exit'> {
  return isSet(input, 'strict') && !isAllReady(rows) ? { exit: 'failed' } : {}
}

const pauseMs = 5000

/** Reports until SIGINT. A gateway that does not answer is a line too; only the first report may fail. */
async function watch(visitor: Visitor, seen: Seen): Promise<Output> {
  const { world, input } = visitor
  const end = new AbortController()
  const stop = world.onInterrupt(() => {
    end.abort()
  })
  try {
    let rows = await makeReport(visitor, seen)
    show(world, input, outputOf(rows))
    while (await paused(world, end.signal))
      try {
        rows = await makeReport(visitor, seen)
        show(world, input, outputOf(rows))
      } catch (error) {
        world.err(`error: ${describeFailure(error).error}\n`)
      }
    return { json: { ended: true }, text: '', ...verdict(input, rows) }
  } finally {
    stop()
  }
}

/** True after the pause; false, at once, when it is over. */
function paused(world: World, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    if (signal.aborted) {
      resolve(false)
      return
    }
    const end = () => {
      cancel()
      resolve(false)
    }
    const cancel = world.later(pauseMs, () => {
      signal.removeEventListener('abort', end)
      resolve(true)
    })
    signal.addEventListener('abort', end, { once: true })
  })
}

const clearScreen = '\u001b[H\u001b[2J'

/** On a terminal the new report takes the place of the old one; elsewhere they follow each other. */
function show(world: World, input: Input, { json, text }: Output): void {
  if (isSet(input, 'json')) world.out(`${JSON.stringify(json)}\n`)
  else if (world.isOutTerminal) world.out(`${clearScreen}${text}\n`)
  else world.out(`${text}\n\n`)
}
