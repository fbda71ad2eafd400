/** node:http, loaded at its first use: the agent's start-up snapshot cannot hold it (docs/decisions/0011). */
export function http(): typeof import('node:http') {
  return process.getBuiltinModule('node:http')
}

/** node:https, for the same reason. */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https')
}
