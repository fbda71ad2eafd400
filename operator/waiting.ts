import type { World } from './world.ts'

const silentMs = 1000

/** Carries out what may take a while; when that is longer than a second, says on standard error what is waited for. */
export async function waiting<T>(world: World, what: string, work: () => Promise<T>): Promise<T> {
  const cancel = world.later(silentMs, () => {
    world.err(`${what} …\n`)
  })
  try {
    return await work()
  } finally {
    cancel()
  }
}
