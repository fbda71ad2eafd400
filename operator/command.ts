import { Failure } from './failure.ts'
import type { Exit } from './failure.ts'
import type { World } from './world.ts'

/** One option of a command: `value` is the word for its value in the help; without one it is a switch. */
export type Option = { readonly help: string; readonly value?: string; readonly many?: boolean }
export type Options = Readonly<Record<string, Option>>

/** What a command prints: for programs with --json, for people without. */
export type Output = {
  readonly json: unknown
  readonly text: string
  /** The exit code where it is not that of a success although all of it was printed. */
  readonly exit?: Exit
}

/** A command line that has been parsed against a command's own options. */
export type Input = {
  readonly words: readonly string[]
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>
}

export type Command = {
  readonly help: string
  /** Its words after the name, as the help shows them. */
  readonly words?: readonly string[]
  readonly options: Options
  readonly examples: readonly string[]
  run(world: World, input: Input): Promise<Output>
}

/** area → name → command. */
export type CommandTable = Readonly<Record<string, Readonly<Record<string, Command>>>>

/** Options that every command has. */
export const commonOptions: Options = {
  config: { help: 'folder of wallet and nodes (default: $XDG_CONFIG_HOME/orama)', value: 'DIR' },
  json: { help: 'print JSON' },
  help: { help: 'print this help' },
}

/** The value of an option, or undefined. */
export function optional(input: Input, name: string): string | undefined {
  const value = input.values[name]
  return typeof value === 'string' ? value : undefined
}

/** The value of an option that must be there. Throws Failure 'usage'. */
export function required(input: Input, name: string): string {
  const value = optional(input, name)
  if (value === undefined) throw new Failure('usage', `Option --${name} is missing`)
  return value
}

/** All values of an option that may be given more than once. */
export function all(input: Input, name: string): readonly string[] {
  const value = input.values[name]
  return Array.isArray(value) ? (value as readonly string[]) : []
}

export function isSet(input: Input, name: string): boolean {
  return input.values[name] === true
}

/** A whole number between bounds, or the fallback. Throws Failure 'usage'. */
export function integer(
  input: Input,
  name: string,
  range: { min: number; max: number; fallback: number },
): number {
  const text = optional(input, name)
  if (text === undefined) return range.fallback
  const value = Number(text)
  if (!/^\d{1,9}$/.test(text) || value < range.min || value > range.max)
    throw new Failure(
      'usage',
      `Option --${name} must be a number from ${range.min} to ${range.max}, not '${text}'`,
    )
  return value
}
