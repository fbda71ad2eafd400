import { commonOptions } from './command.ts'
import type { Command, CommandTable, Option, Options } from './command.ts'
import { exitCodes } from './failure.ts'

/** The list of all commands, from the table, with the exit codes. */
export function overview(table: CommandTable): string {
  const rows = Object.entries(table).flatMap(([area, commands]) =>
    Object.entries(commands).map(([name, command]): Row => [`orama ${area} ${name}`, command.help]),
  )
  const exits = Object.values(exitCodes).map(({ code, help }): Row => [String(code), help])
  return [
    'orama: enroll, unlock and look after OramaOS nodes',
    '',
    ...columns(rows),
    '',
    "'orama AREA COMMAND --help' shows options and examples. Exit codes:",
    ...columns(exits),
  ].join('\n')
}

/** The help of one command. */
export function commandHelp(name: string, command: Command): string {
  const words = (command.words ?? []).join(' ')
  const exits = Object.values(exitCodes).map(({ code, help }) => `${code} ${help}`)
  return [
    `${name}${words === '' ? '' : ` ${words}`} [options]: ${command.help}`,
    '',
    ...columns(optionRows({ ...command.options, ...commonOptions })),
    '',
    'Examples:',
    ...command.examples.map(example => `  ${example}`),
    '',
    `Exit codes: ${exits.join(', ')}`,
  ].join('\n')
}

type Row = readonly [string, string]

function optionRows(options: Options): readonly Row[] {
  return Object.entries(options).map(([name, option]): Row => [
    `--${name}${valueWord(option)}`,
    helpOf(option),
  ])
}

function valueWord(option: Option): string {
  return option.value === undefined ? '' : ` ${option.value}`
}

function helpOf(option: Option): string {
  return option.many === true ? `${option.help}; may be given more than once` : option.help
}

/** Rows of two columns, indented by two. */
export function columns(rows: readonly Row[]): readonly string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
