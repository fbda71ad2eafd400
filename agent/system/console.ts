import { closeSync, openSync, writeSync } from 'node:fs'
import { ioctl } from './libc.ts'

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
      const fd = openSync(path, 0o1 | 0o400)
      open.add(fd)
      ignoreStops(fd)
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

// Of asm-generic/ioctls.h and termbits.h; struct termios begins with c_iflag and has 36 bytes.
const tcgets = 0x5401
const tcsets = 0x5402
const ixon = 0x400

/** Else a Ctrl-S on the line would hold up our writes, and with them the node. Throws for what is no terminal. */
function ignoreStops(fd: number): void {
  const termios = Buffer.alloc(64)
  ioctl(fd, tcgets, termios)
  termios.writeUInt32LE((termios.readUInt32LE(0) & ~ixon) >>> 0, 0)
  ioctl(fd, tcsets, termios)
}
