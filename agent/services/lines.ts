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
    if (skipping) return []
    const room = lineBytesMax - size
    // A copy: the part is a view of the stream's buffer, which would stay alive with it.
    held.push(Uint8Array.from(part.subarray(0, room)))
    size += Math.min(part.length, room)
    if (part.length <= room) return []
    skipping = true
    return [take(' …')]
  }
  return {
    push: chunk => {
      const lines: string[] = []
      let rest = chunk
      for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
        lines.push(...add(rest.subarray(0, at)))
        if (!skipping) lines.push(take(''))
        skipping = false
        rest = rest.subarray(at + 1)
      }
      return rest.length === 0 ? lines : [...lines, ...add(rest)]
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

function newlines(chunk: Uint8Array): number {
  let count = 0
  for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count++
  return count
}

/** UTF-8 with everything that a terminal would act upon, or that hides text, written as \x1b or \u202e. */
function escape(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes).replace(/\r$/, '')
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, character => {
    if (character === '\t') return character
    const code = character.codePointAt(0) ?? 0
    return code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
