import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { HttpError } from '../../http/error.ts'

/** Answers what wanted to become a WebSocket with a status alone, and hangs up. */
export function refuseUpgrade(socket: Duplex, cause: unknown): void {
  const status = cause instanceof HttpError ? cause.status : 500
  const reason = STATUS_CODES[status] ?? ''
  socket.on('error', () => undefined)
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => {
    socket.destroy()
  })
}
