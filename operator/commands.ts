import { gatewayRun } from './alone.ts'
import { operatorAppoint, operatorDismiss, operatorList } from './appoint.ts'
import { monitorAudit } from './audit.ts'
import { nodeEvict, nodeHold, nodeRelease } from './cluster-order.ts'
import type { CommandTable } from './command.ts'
import { nodeEndpoints } from './endpoints.ts'
import { nodeEnroll } from './enroll.ts'
import { envAdd, envList, envRemove } from './env.ts'
import { nodeEscrow } from './escrow.ts'
import { imagePrepare } from './image.ts'
import { nodeCommand, nodeStatus } from './inspect.ts'
import { nodeInvite, nodeInvites, nodeRevokeInvite } from './invite.ts'
import { nodeLeave } from './leave.ts'
import { nodeLogs } from './logs.ts'
import { nodeList } from './members.ts'
import { monitorReport } from './monitor.ts'
import { nodePassword } from './password.ts'
import { nodeRekey } from './rekey.ts'
import { nodeUnlock } from './unlock.ts'
import { walletAddress, walletNew } from './wallet.ts'
import { nodeWgConfig } from './wg-config.ts'

/** Everything that `orama` can do; the help is made of this table. */
export const commands: CommandTable = {
  wallet: { new: walletNew, address: walletAddress },
  image: { prepare: imagePrepare },
  env: { add: envAdd, list: envList, remove: envRemove },
  node: {
    invite: nodeInvite,
    invites: nodeInvites,
    'revoke-invite': nodeRevokeInvite,
    enroll: nodeEnroll,
    unlock: nodeUnlock,
    list: nodeList,
    status: nodeStatus,
    logs: nodeLogs,
    command: nodeCommand,
    leave: nodeLeave,
    hold: nodeHold,
    release: nodeRelease,
    evict: nodeEvict,
    escrow: nodeEscrow,
    endpoints: nodeEndpoints,
    rekey: nodeRekey,
    password: nodePassword,
    'wg-config': nodeWgConfig,
  },
  operator: { appoint: operatorAppoint, dismiss: operatorDismiss, list: operatorList },
  gateway: { run: gatewayRun },
  monitor: { report: monitorReport, audit: monitorAudit },
}
