import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from './server.ts'

/** Which of its connection's requests one is; too early while the one before has no answer. */
export type Turn = 'one of more' | 'last' | 'too early'

export type Turns = {
  readonly take: (socket: Socket, response: ServerResponse) => Turn
  /** The connection speaks another protocol from now on. */
  readonly end: (socket: Socket) => void
}

type State = { count: number; current: ServerResponse | undefined; ends: NodeJS.Timeout | undefined }

/**
 * The requests of each connection. One that brings no whole headers in time after an answer is cut: Node's own timer
 * begins anew with every byte, and some bytes begin no request.
 */
export function turnsOf(limits: Pick<Limits, 'requestsPerConnection' | 'keptMs' | 'headersMs'>): Turns {
  const states = new WeakMap<Socket, State>()
  return {
    take: (socket, response) => {
      const state = states.get(socket) ?? begin(states, socket)
      if (state.current !== undefined) return 'too early'
      clearTimeout(state.ends)
      state.count += 1
      state.current = response
      response.once('close', () => {
        state.current = undefined
        if (response.shouldKeepAlive && !socket.destroyed) state.ends = cutLater(socket, limits)
      })
      return state.count < limits.requestsPerConnection ? 'one of more' : 'last'
    },
    end: socket => {
      clearTimeout(states.get(socket)?.ends)
    },
  }
}

function begin(states: WeakMap<Socket, State>, socket: Socket): State {
  const state: State = { count: 0, current: undefined, ends: undefined }
  states.set(socket, state)
  socket.once('close', () => {
    clearTimeout(state.ends)
  })
  return state
}

function cutLater(socket: Socket, { keptMs, headersMs }: Pick<Limits, 'keptMs' | 'headersMs'>) {
  return setTimeout(() => socket.destroy(), keptMs + headersMs).unref()
}
