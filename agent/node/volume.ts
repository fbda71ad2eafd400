import type { NodeDisk } from '../disk/find.ts'
import { run } from '../system/run.ts'
import { type NodeVolume, realWorld, type World } from '../unlock/open.ts'

/** Where the data is mounted once it is open. */
export const dataFolder = '/opt/orama/.orama'

export function nodeVolume(disk: NodeDisk): NodeVolume {
  return { device: disk.data, name: 'orama-data', mountPoint: dataFolder, headerFile: '/run/luks-header' }
}

export function nodeWorld(): World {
  return realWorld(run)
}
