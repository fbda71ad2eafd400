/** Exit codes of `orama`; the help prints this table. */
export const exitCodes = {
  ok: { code: 0, help: 'done' },
  failed: { code: 1, help: 'failed' },
  usage: { code: 2, help: 'the command line is wrong' },
  refused: { code: 3, help: 'the node or gateway refused' },
  unreachable: { code: 4, help: 'cannot reach the node or gateway' },
  impostor: { code: 5, help: 'wrong code, or a man in the middle' },
} as const
export type Exit = keyof typeof exitCodes

/** A failure that decides the exit code and tells the operator what to do about it. */
export class Failure extends Error {
  readonly exit: Exit
  readonly hint: string | undefined
  /** Of the answer that refused, where one did. */
  readonly status: number | undefined
  constructor(
    exit: Exit,
    message: string,
    more: { hint?: string | undefined; status?: number; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? {} : { cause: more.cause })
    this.name = 'Failure'
    this.exit = exit
    this.hint = more.hint
    this.status = more.status
  }
}

/** The exit word of any error: what is no Failure is 'failed'. */
export function exitOf(error: unknown): Exit {
  return error instanceof Failure ? error.exit : 'failed'
}

/** An error and its causes as JSON for --json, and as lines for people. */
export function describeFailure(error: unknown): { error: string; hint?: string; exit: number } {
  const messages: string[] = []
  let hint: string | undefined
  for (let e = error; e instanceof Error && messages.length < 8; e = e.cause) {
    messages.push(printable(e.message))
    if (e instanceof Failure) hint ??= e.hint
  }
  const text = messages.length === 0 ? 'unknown error' : messages.join(': ')
  return {
    error: text,
    ...(hint === undefined ? {} : { hint: printable(hint) }),
    exit: exitCodes[exitOf(error)].code,
  }
}

/**
 * Text from a node, fit for a terminal: no escape sequences, no control characters but newline and tab, nothing
 * that turns the direction of writing.
 */
export function printable(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}
