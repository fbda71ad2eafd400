/** Cuts a stream of bytes into lines of text that are safe to show on any terminal. */
export type LineSplitter = {
  /** The lines that are complete now. */
  readonly push: (chunk: Uint8Array) => string[]
  /** Drops the chunk, with the line that it goes on with and the one that it begins; how many lines that were. */
  readonly drop: (chunk: Uint8Array) => number
  /** What was begun and never ended by a newline. */
  readonly end: () => string[]
}

export const lineBytesMax = 8 * 1024

/** A splitter that holds at most 8 KiB: of a longer line it gives the start and drops the rest. */
export function lineSplitter(): LineSplitter {
  let held: Uint8Array[] = []
  let size = 0
  let skipping = false
  const take = (end: string) => {
    const text = escape(Buffer.concat(held)) + end
    held = []
    size = 0
    return text
  }
  const add = (part: Uint8Array): string[] => {
    if (skipping || part.length === 0) return []
    const room = lineBytesMax - size
    // A copy: the part is a view of the stream's buffer, which would stay alive with it.
    held.push(part.slice(0, room))
    size += Math.min(part.length, room)
    if (part.length <= room) return []
    skipping = true
    return [take(' …')]
  }
  const finish = (part: Uint8Array): string[] => {
    const cut = add(part)
    const line = skipping ? cut : [take('')]
    skipping = false
    return line
  }
  return {
    push: chunk => {
      const first = chunk.indexOf(10)
      if (first < 0) return add(chunk)
      const last = chunk.lastIndexOf(10)
      const lines = [...finish(chunk.subarray(0, first)), ...wholeLines(chunk.subarray(first + 1, last + 1))]
      return [...lines, ...add(chunk.subarray(last + 1))]
    },
    drop: chunk => {
      const goesOn = skipping
      held = []
      size = 0
      skipping = chunk.at(-1) !== 10
      return newlines(chunk) + Number(skipping) - Number(goesOn)
    },
    end: () => (size === 0 ? [] : [take('')]),
  }
}

/**
 * What ends with a newline, or nothing. Of plain text no line is looked at by itself: the agent has no compiler, and
 * this is where it is given most to read.
 */
function wholeLines(bytes: Uint8Array): string[] {
  if (bytes.length === 0) return []
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const lines = text.split('\n').slice(0, -1)
  const plain = !odd.test(text)
  return lines.map(line => {
    const start = line.length > lineBytesMax ? line.slice(0, lineBytesMax) : line
    const shown = plain ? start : escape(Buffer.from(start, 'latin1'))
    return start === line ? shown : `${shown} …`
  })
}

/** Anything but lines of printable ASCII and tabs. */
const odd = /[^\t\n -~]/

/** How many lines end in it. */
export function newlines(chunk: Uint8Array): number {
  let count = 0
  for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count++
  return count
}

/** UTF-8 with everything that a terminal would act upon, or that hides text, written as \x1b or \u202e. */
function escape(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes).replace(/\r$/, '')
  if (!odd.test(text)) return text
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, character => {
    if (character === '\t') return character
    const code = character.codePointAt(0) ?? 0
    return code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
