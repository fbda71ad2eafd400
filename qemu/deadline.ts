import { existsSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** The promise's result, or an error that says what did not happen in time. The timer never outlives the wait. */
export async function within<T>(promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    reject(new Error(`Waited ${deadlineMs} ms in vain: ${what}`))
  }, deadlineMs)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when a file of this name is in its folder; the folder must exist. */
export async function untilExists(path: string, deadlineMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const watcher = watch(dirname(path), (_event, name) => {
    if (name === basename(path)) resolve(undefined)
  })
  try {
    // Looked at after the watch began: what came before it would not be reported.
    if (!existsSync(path)) await within(promise, deadlineMs, `${path} to appear`)
  } finally {
    watcher.close()
  }
}
