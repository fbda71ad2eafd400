import { inTurnByKey } from '../system/in-turn.ts'

/** Of a device: cryptsetup gives up where another of it writes the same header meanwhile. */
const turnOf = inTurnByKey()

type Waiting = { count: number; called?: (() => void) | undefined }

const waiting = new Map<string, Waiting>()

/**
 * However many want to write, what takes long comes forward with each of its turns: starting cryptsetup takes a second
 * of them.
 */
const longTurnMsMin = 3000

/** Changes the header of a device, when nobody else does; who has taken a long turn is asked to give it back. */
export async function inHeaderTurn<T>(device: string, act: () => T | Promise<T>): Promise<T> {
  const state = stateOf(device)
  state.count += 1
  state.called?.()
  try {
    return await turnOf(device)(act)
  } finally {
    state.count -= 1
  }
}

/** Does what takes hours: its signal says that others wait, or that a caller's own `signal` has been aborted. */
export function inLongHeaderTurn<T>(
  device: string,
  signal: AbortSignal,
  act: (interrupt: AbortSignal) => Promise<T>,
): Promise<T> {
  const state = stateOf(device)
  return turnOf(device)(async () => {
    const others = new AbortController()
    let timer: NodeJS.Timeout | undefined
    state.called = () => {
      timer ??= setTimeout(() => {
        others.abort()
      }, longTurnMsMin)
    }
    if (state.count > 0) state.called()
    try {
      return await act(AbortSignal.any([others.signal, signal]))
    } finally {
      state.called = undefined
      clearTimeout(timer)
    }
  })
}

function stateOf(device: string): Waiting {
  const state = waiting.get(device) ?? { count: 0 }
  waiting.set(device, state)
  return state
}
