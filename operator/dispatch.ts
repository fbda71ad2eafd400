import { parseArgs } from 'node:util'
import { commonOptions } from './command.ts'
import type { Command, CommandTable, Input, Options, Output } from './command.ts'
import { Failure, describeFailure, exitCodes, exitOf } from './failure.ts'
import { commandHelp, overview } from './help.ts'
import type { World } from './world.ts'

/** Finds the command in the table, runs it, prints its output or error; returns the exit code. Never throws. */
export async function dispatch(world: World, table: CommandTable, argv: readonly string[]): Promise<number> {
  const wantsJson = argv.includes('--json')
  try {
    const output = await carryOut(world, table, argv)
    const text = wantsJson ? JSON.stringify(output.json) : output.text
    if (text !== '') world.out(`${text}\n`)
    return exitCodes[output.exit ?? 'ok'].code
  } catch (error) {
    report(world, error, wantsJson)
    return exitCodes[exitOf(error)].code
  }
}

async function carryOut(world: World, table: CommandTable, argv: readonly string[]): Promise<Output> {
  const [area = '', ...words] = argv
  if (area === '' || isHelp(area)) return asText(overview(table))
  const commands = Object.hasOwn(table, area) ? table[area] : undefined
  if (commands === undefined) throw unknown(`Unknown command '${area}'`)
  const [name = '', ...rest] = [...nameOfSole(commands, words), ...words]
  if (name === '' || isHelp(name)) return asText(overview({ [area]: commands }))
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw unknown(`Unknown command '${area} ${name}'`)
  if (rest.some(isHelp)) return asText(commandHelp(`orama ${area} ${name}`, command))
  return command.run(world, parse(command, { name: `${area} ${name}`, args: rest }))
}

/** The one command of an area need not be named: `orama gateway --data DIR`. */
function nameOfSole(
  commands: Readonly<Record<string, Command>>,
  [first = '']: readonly string[],
): readonly string[] {
  const names = Object.keys(commands)
  return names.length === 1 && first.startsWith('-') && !isHelp(first) ? names : []
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h' || word === 'help'
}

function asText(text: string): Output {
  return { json: { help: text }, text }
}

function unknown(message: string): Failure {
  return new Failure('usage', message, { hint: "'orama --help' lists all commands" })
}

function parse(command: Command, given: { name: string; args: readonly string[] }): Input {
  try {
    const options = { ...commonOptions, ...command.options }
    const { values, positionals } = parseArgs({
      args: [...given.args],
      options: forParser(options),
      allowPositionals: (command.words ?? []).length > 0,
    })
    return { words: positionals, values: values as Input['values'] }
  } catch (cause) {
    const hint = `'orama ${given.name} --help' shows its options`
    throw new Failure('usage', `Cannot read the command line of '${given.name}'`, { cause, hint })
  }
}

function forParser(options: Options) {
  return Object.fromEntries(
    Object.entries(options).map(([name, { value, many = false }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: many },
    ]),
  )
}

function report(world: World, error: unknown, wantsJson: boolean): void {
  const failure = describeFailure(error)
  if (wantsJson) {
    world.err(`${JSON.stringify(failure)}\n`)
    return
  }
  world.err(`error: ${failure.error}\n`)
  if (failure.hint !== undefined) world.err(`hint: ${failure.hint}\n`)
}
