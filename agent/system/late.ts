/*
 * Modules of Node that a start-up snapshot cannot hold (docs/decisions/0011): they are loaded at their first use,
 * when the snapshot has long been read back. Types of them may be imported anywhere.
 */

/** node:ffi. */
export function ffi(): typeof import('node:ffi') {
  return process.getBuiltinModule('node:ffi')
}

/** node:dns/promises. */
export function dns(): typeof import('node:dns/promises') {
  return process.getBuiltinModule('node:dns/promises')
}

/** ws, which loads node:http. */
export async function webSocket(): Promise<typeof import('ws').WebSocket> {
  return (await import('ws')).WebSocket
}
