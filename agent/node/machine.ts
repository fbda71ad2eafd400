import type { OperatorFile } from '../../protocol/operator-file.ts'
import type { Image } from '../boot/image.ts'
import type { Watchdog } from '../boot/watchdog.ts'
import type { DataState } from '../disk/blank.ts'
import type { NodeDisk } from '../disk/find.ts'
import type { Session } from '../enroll/session.ts'
import type { DhcpLease } from '../network/dhcp.ts'
import type { Link } from '../network/links.ts'
import type { Reaper } from '../system/children.ts'
import type { Node } from './serve.ts'
import { holdState, type StateHolder } from './state.ts'

/** The operator's file on the ESP: not there, good, or bad with the reason. A bad one is never taken for none. */
export type OperatorSays =
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly file: OperatorFile }
  | { readonly kind: 'invalid'; readonly why: string }

export type Firmware = {
  readonly secureBoot: boolean
  readonly bootedEntry: string | undefined
  readonly lastPanic: string | undefined
}

/** What the boot finds out about its machine, phase by phase. */
export type Machine = {
  readonly state: StateHolder
  /** Aborted when the node stops: DHCP gives its address back, loops end. */
  readonly stopping: AbortController
  image?: Image
  firmware?: Firmware
  watchdog?: Watchdog
  reaper?: Reaper
  disk?: NodeDisk
  operator?: OperatorSays
  data?: DataState
  /** The first session of a blank node, which is made while the network comes up; undefined where that failed. */
  firstSession?: Promise<Session | undefined>
  /** The firewall lets nothing in; rejects where it could not be set. */
  firewallClosed?: Promise<void>
  /** The firewall lets the owner of a node in that is not enrolled. */
  firewallOpened?: Promise<void>
  /** The Ethernet interfaces, which come up while the disk is looked at; rejects where there is none. */
  links?: Promise<readonly Link[]>
  lease?: DhcpLease | undefined
  /** The address on the public side, static or leased. */
  address?: string | undefined
  /** The data partition is open and mounted. */
  dataOpen?: boolean
  /** Once it is enrolled and its record is read. */
  node?: Node
}

export function newMachine(): Machine {
  return { state: holdState(), stopping: new AbortController() }
}

/** A part of the machine that an earlier phase has found. Throws when a phase runs before the one it needs. */
export function known<K extends keyof Machine>(machine: Machine, part: K): NonNullable<Machine[K]> {
  const value = machine[part]
  if (value === undefined)
    throw new Error(`Cannot use '${part}' of the machine: the boot has not found it yet`)
  return value
}
