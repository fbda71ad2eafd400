import type { SeccompMode } from '../../protocol/requests.ts'
import type { Supervisor } from './supervisor.ts'

/** The modes of all services. Held in memory alone: after the node's next start everything is enforced again. */
export type SeccompSwitch = {
  readonly modeOf: (name: string) => SeccompMode
  /** Restarts the service under the other filter; one that is stopped stays so. Others are not touched. */
  readonly set: (name: string, mode: SeccompMode) => Promise<void>
}

/** `modes` is what the sandboxes are made from; a service that is not in it is enforced. */
export function seccompSwitch(
  modes: Map<string, SeccompMode>,
  supervisor: Pick<Supervisor, 'restart' | 'status'>,
): SeccompSwitch {
  const modeOf = (name: string) => modes.get(name) ?? 'enforce'
  return {
    modeOf,
    set: async (name, mode) => {
      if (modeOf(name) === mode) return
      modes.set(name, mode)
      if (supervisor.status()[name]?.state !== 'stopped') await supervisor.restart(name)
    },
  }
}
