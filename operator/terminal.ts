import { Failure } from './failure.ts'

export type AskOptions = { readonly hidden?: boolean }

/** Asks on the terminal and returns the line as bytes, which are the caller's to wipe. Throws Failure without one. */
export type Ask = (prompt: string, options?: AskOptions) => Promise<Buffer>

const lineBytesMax = 1024
const keys = {
  interrupt: 3,
  endOfInput: 4,
  backspace: 8,
  newline: 10,
  return: 13,
  killLine: 21,
  delete: 127,
} as const

/** The terminal in raw mode: so nothing is echoed but what this function echoes. */
export const askTerminal: Ask = async (prompt, options = {}) => {
  const { stdin, stderr } = process
  if (!stdin.isTTY) throw new Failure('usage', `Cannot ask '${prompt.trim()}': there is no terminal`)
  // First no echo, then the prompt: whatever types as soon as it reads the prompt must not be shown.
  stdin.setRawMode(true)
  stderr.write(prompt)
  const line = new Line(options.hidden === true ? () => undefined : text => stderr.write(text))
  try {
    for await (const data of stdin.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const isDone = [...data].some(byte => line.type(byte))
      data.fill(0)
      if (isDone) return line.take()
    }
    return line.take()
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    stderr.write('\n')
  }
}

/** A line that is being typed; the bytes lie outside V8's heap. */
export class Line {
  readonly #bytes = Buffer.allocUnsafeSlow(4096)
  readonly #echo: (text: string) => void
  #length = 0

  constructor(echo: (text: string) => void) {
    this.#echo = echo
  }

  /** Takes one byte; true when the line is done. Throws Failure on Ctrl-C. */
  type(byte: number): boolean {
    switch (byte) {
      case keys.return:
      case keys.newline:
      case keys.endOfInput:
        return true
      case keys.interrupt:
        this.take().fill(0)
        throw new Failure('failed', 'Interrupted')
      case keys.backspace:
      case keys.delete:
        this.#erase()
        return false
      case keys.killLine:
        while (this.#length > 0) this.#erase()
        return false
      default:
        this.#add(byte)
        return false
    }
  }

  /** A copy of what was typed; the line is wiped. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(4096).subarray(0, this.#length)
    this.#bytes.copy(taken, 0, 0, this.#length)
    this.#bytes.fill(0)
    this.#length = 0
    return taken
  }

  #add(byte: number): void {
    if (byte < 32 || this.#length === lineBytesMax) return
    this.#bytes[this.#length++] = byte
    if (byte < 127) this.#echo(String.fromCharCode(byte))
  }

  #erase(): void {
    if (this.#length === 0) return
    // All bytes of one UTF-8 character go together: its first byte is the only one that is not 10xxxxxx.
    while (this.#length > 1 && ((this.#bytes[this.#length - 1] ?? 0) & 0xc0) === 0x80) this.#length--
    this.#length--
    this.#bytes.fill(0, this.#length)
    this.#echo('\b \b')
  }
}
