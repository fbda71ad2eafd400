import type { NodeState } from '../../protocol/status.ts'
import { announce, keep } from '../system/log.ts'

/** What the node is doing, since when (Unix milliseconds) and what it waits for. */
export type State = { readonly name: NodeState; readonly sinceMs: number; readonly waitingFor?: string }

const waitingForMax = 300

export type StateHolder = {
  readonly current: () => State
  /** Changes the state; every change of its name is one console line `STATE <name>`, which outside harnesses read. */
  readonly become: (name: NodeState, waitingFor?: string) => void
}

export function holdState(): StateHolder {
  let state: State = { name: 'starting', sinceMs: Date.now() }
  let announced = false
  return {
    current: () => state,
    become: (name, reason) => {
      // Readers of status take no longer one.
      const waitingFor = reason?.slice(0, waitingForMax)
      const isNew = name !== state.name || !announced
      const sinceMs = isNew ? Date.now() : state.sinceMs
      state = { name, sinceMs, ...(waitingFor === undefined ? {} : { waitingFor }) }
      if (isNew) announce(`STATE ${name}`)
      announced = true
      keep(`state ${name}${waitingFor === undefined ? '' : `: waiting for ${waitingFor}`}`)
    },
  }
}
