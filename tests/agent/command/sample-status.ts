import type { Status } from '../../../protocol/status.ts'

const since = '2026-11-21T08:00:00Z'

/** A node with one service that runs and one that does not. */
export const sampleStatus: Status = {
  version: '0.1.0',
  buildKind: 'development',
  test: false,
  slot: 'A',
  state: 'ready',
  since,
  nodeId: 'nabcdefghijklmnop',
  identity: 'unsealed',
  secureBoot: true,
  watchdog: 'soft',
  uptimeS: 12,
  rootProcesses: [],
  services: {
    rqlite: { state: 'ready', since, restarts: 2, memoryBytes: 4096 },
    other: { state: 'backoff', since, restarts: 0 },
  },
}
