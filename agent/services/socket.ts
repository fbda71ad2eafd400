import { chmod, chown, mkdir, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { closeHttp, type Routes, serveHttp } from '../../http/server.ts'
import type { AgentSocket } from './manifest.ts'

export type SocketPlace = {
  /** Where no file is yet. */
  readonly path: string
  /** Of a service: nobody but this user (and root) may connect. Without it: whoever runs this. */
  readonly uid?: number
  readonly report: (error: unknown) => void
}

/** An agent with too much to do takes seconds to read what has come; who waits here is a service of the same node. */
const limits = { headersMs: 30_000, requestMs: 60_000 }

/** Serves the program of one service in its sandbox, on a Unix socket that only it may open. */
export async function serveOnSocket(routes: Routes, { path, uid, report }: SocketPlace): Promise<Server> {
  const server = await serveHttp({ path, report, routes, limits })
  try {
    await chmod(path, 0o600)
    if (uid !== undefined) await chown(path, uid, uid)
    return server
  } catch (cause) {
    await closeHttp(server)
    throw new Error(`Cannot hand socket '${path}' over`, { cause })
  }
}

/** Makes the folder of a socket that manifests may name, without the socket of an earlier time. */
export async function socketPlace(
  runFolder: string,
  socket: AgentSocket,
  uid: number | undefined,
): Promise<Omit<SocketPlace, 'report'>> {
  const folder = join(runFolder, 'sockets', socket)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const path = join(folder, 'socket')
  await rm(path, { force: true })
  return uid === undefined ? { path } : { path, uid }
}
