import type { CommandTable } from './command.ts'
import { nodeEnroll } from './enroll.ts'
import { imagePrepare } from './image.ts'
import { nodeCommand, nodeStatus } from './inspect.ts'
import { nodeLogs } from './logs.ts'
import { nodePassword } from './password.ts'
import { nodeUnlock } from './unlock.ts'
import { walletAddress, walletNew } from './wallet.ts'
import { nodeWgConfig } from './wg-config.ts'

/** Everything that `orama` can do; the help is made of this table. */
export const commands: CommandTable = {
  wallet: { new: walletNew, address: walletAddress },
  image: { prepare: imagePrepare },
  node: {
    enroll: nodeEnroll,
    unlock: nodeUnlock,
    status: nodeStatus,
    logs: nodeLogs,
    command: nodeCommand,
    password: nodePassword,
    'wg-config': nodeWgConfig,
  },
}
