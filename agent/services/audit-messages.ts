/**
 * Messages of NETLINK_AUDIT, as linux/netlink.h and linux/audit.h lay them out; all numbers little-endian.
 *
 * | nlmsghdr | at | | audit_status      | at |
 * | -------- | -- | - | ----------------- | -- |
 * | length   | 0  | | mask              | 0  |
 * | type u16 | 4  | | enabled           | 4  |
 * | flags u16| 6  | | failure           | 8  |
 * | sequence | 8  | | pid               | 12 |
 * | port id  | 12 | | rate limit        | 16 |
 * |          |    | | backlog limit     | 20 |
 * |          |    | | lost              | 24 |
 * |          |    | | backlog           | 28 |
 * |          |    | | features          | 32 |
 * |          |    | | backlog wait time | 36 |
 * |          |    | | … actually waited | 40 |
 */
const headerBytes = 16
const statusBytes = 44

const messageTypes = { error: 2, getStatus: 1000, setStatus: 1001, seccomp: 1326 } as const
const flagRequest = 1
const flagAcknowledge = 4

/** Field → its bit in `mask` and its place. */
const settings = {
  enabled: [1, 4],
  failure: [2, 8],
  pid: [4, 12],
  rateLimit: [8, 16],
  backlogLimit: [16, 20],
  backlogWaitTime: [32, 36],
} as const
export type AuditSettings = Partial<Record<keyof typeof settings, number>>

/** AUDIT_SET of these fields; the kernel answers with an acknowledgement that has the same sequence number. */
export function encodeSet(values: AuditSettings, sequence: number): Buffer {
  const message = Buffer.alloc(headerBytes + statusBytes)
  writeHeader(message, { type: messageTypes.setStatus, flags: flagRequest | flagAcknowledge, sequence })
  const status = message.subarray(headerBytes)
  let mask = 0
  for (const [name, [bit, at]] of Object.entries(settings)) {
    const value = values[name as keyof AuditSettings]
    if (value === undefined) continue
    mask |= bit
    status.writeUInt32LE(value, at)
  }
  status.writeUInt32LE(mask, 0)
  return message
}

/** AUDIT_GET: the answer comes as a `status` message some time later. */
export function encodeGet(sequence: number): Buffer {
  const message = Buffer.alloc(headerBytes)
  writeHeader(message, { type: messageTypes.getStatus, flags: flagRequest, sequence })
  return message
}

/** A system call that a filter denied or, in audit mode, only noted. */
export type DeniedCall = { readonly uid: number; readonly arch: number; readonly syscall: number }

export type AuditMessage =
  | { readonly kind: 'acknowledgement'; readonly sequence: number; readonly errno: number }
  | { readonly kind: 'status'; readonly lost: number }
  | { readonly kind: 'denied'; readonly call: DeniedCall }
  /** A record of another type, or one that is not understood. */
  | { readonly kind: 'other' }

/** Reads one datagram of the kernel. Never throws: what is in it was partly chosen by a service. */
export function parseMessage(bytes: Buffer): AuditMessage {
  if (bytes.length < headerBytes) return { kind: 'other' }
  // The length in the header is not looked at: in records, kernels leave the header's own bytes out of it.
  const body = bytes.subarray(headerBytes)
  switch (bytes.readUInt16LE(4)) {
    case messageTypes.error:
      if (body.length < 4 + headerBytes) return { kind: 'other' }
      return {
        kind: 'acknowledgement',
        sequence: body.readUInt32LE(12),
        errno: Math.abs(body.readInt32LE(0)),
      }
    case messageTypes.getStatus:
      return body.length < 28 ? { kind: 'other' } : { kind: 'status', lost: body.readUInt32LE(24) }
    case messageTypes.seccomp: {
      const call = parseDenied(body.toString('latin1'))
      return call === undefined ? { kind: 'other' } : { kind: 'denied', call }
    }
    default:
      return { kind: 'other' }
  }
}

/** What a process may choose comes in quotes, without quotes, blanks or control characters, or else in hex. */
const chosen = '(?:"[\\x21\\x23-\\x7e]{0,4096}"|"<[a-z_]{1,16}>"|[0-9A-F]{0,8192}|\\(null\\))'
const number = '\\d{1,10}'
const record = new RegExp(
  `^audit\\(\\d{1,12}\\.\\d{3}:${number}\\): auid=${number} uid=(?<uid>${number}) gid=${number} ses=${number}` +
    `(?: subj=[\\x21-\\x7e]{1,256})? pid=${number} comm=${chosen} exe=${chosen}` +
    ` sig=\\d{1,3} arch=(?<arch>[0-9a-f]{1,8}) syscall=(?<syscall>-?\\d{1,19}) compat=[01]` +
    ` ip=0x[0-9a-f]{1,16} code=0x[0-9a-f]{1,8}\\0{0,4}$`,
)
const recordCharactersMax = 8970

/** The text of an AUDIT_SECCOMP record; undefined for anything that the kernel would not write so. */
export function parseDenied(text: string): DeniedCall | undefined {
  if (text.length > recordCharactersMax) return undefined
  const found = record.exec(text)?.groups
  if (found === undefined) return undefined
  const { uid = '', arch = '', syscall = '' } = found
  return { uid: Number(uid), arch: Number.parseInt(arch, 16), syscall: Number(syscall) }
}

type Header = { readonly type: number; readonly flags: number; readonly sequence: number }

function writeHeader(message: Buffer, { type, flags, sequence }: Header): void {
  message.writeUInt32LE(message.length, 0)
  message.writeUInt16LE(type, 4)
  message.writeUInt16LE(flags, 6)
  message.writeUInt32LE(sequence >>> 0, 8)
}
