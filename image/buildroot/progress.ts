export type Progress = {
  /** How many packages are built already, of how many. */
  readonly done: number
  readonly total: number
}

/**
 * Reads a build's output line by line, and says for the first line of each package what is worth telling: a build
 * writes hundreds of thousands of lines.
 */
export function progressReader({ done, total }: Progress): (line: string) => string | undefined {
  const seen = new Set<string>()
  return line => {
    const message = /^>>> (\S+) (\S*) ?(Extracting|Syncing|Configuring|Building)/.exec(withoutColors(line))
    if (message === null) return undefined
    const [, name = '', version = ''] = message
    if (seen.has(name)) return undefined
    seen.add(name)
    return `${name}${version === '' ? '' : ` ${version}`} (${done + seen.size} of ${total})`
  }
}

/** Buildroot writes its messages in reverse video. */
function withoutColors(line: string): string {
  return line.replace(/\x1b\[[0-9;]*m|\x1b\(B|\x0f/g, '')
}
