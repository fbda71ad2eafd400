import { closeSync, openSync, writeSync } from 'node:fs'

/** The devices that people see: serial line and screen. Both are only written. */
const devices = ['/dev/ttyS0', '/dev/tty0']

/**
 * Opens the consoles that exist and returns the function that writes one line to all of them. A console that
 * fails is given up: a log must never stop the node.
 */
export function openConsoles(paths: readonly string[] = devices): (line: string) => void {
  const open = new Set<number>()
  for (const path of paths) {
    try {
      // 0o400: O_NOCTTY, so that no key on the line becomes a signal.
      open.add(openSync(path, 0o1 | 0o400))
    } catch {
      continue
    }
  }
  return line => {
    for (const fd of open) {
      try {
        writeSync(fd, `${line}\r\n`)
      } catch {
        open.delete(fd)
        closeSync(fd)
      }
    }
  }
}
