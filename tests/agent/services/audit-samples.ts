// Messages as the kernel writes them to an audit daemon.

export type RecordFields = {
  readonly uid?: number
  readonly syscall?: number
  readonly arch?: string
  readonly comm?: string
  readonly exe?: string
  readonly label?: string
}

export function recordText(fields: RecordFields): string {
  const { uid = 1001, syscall = 165, arch = 'c000003e', label = '' } = fields
  const { comm = '"program"', exe = '"/usr/bin/program"' } = fields
  return (
    `audit(1795261661.942:46841): auid=4294967295 uid=${uid} gid=1001 ses=4294967295${label} pid=20122` +
    ` comm=${comm} exe=${exe} sig=0 arch=${arch} syscall=${syscall} compat=0 ip=0x7f0bf131f829 code=0x50000`
  )
}

/** An AUDIT_SECCOMP datagram: its header's length leaves the header out. */
export function denial(fields: RecordFields & { readonly type?: number }): Buffer {
  const text = Buffer.from(recordText(fields), 'latin1')
  return message(fields.type ?? 1326, text, { length: text.length })
}

export function acknowledgement(sequence: number, errno: number): Buffer {
  const body = Buffer.alloc(20)
  body.writeInt32LE(-errno, 0)
  body.writeUInt32LE(sequence, 12)
  return message(2, body)
}

export function statusAnswer(lost: number): Buffer {
  const body = Buffer.alloc(44)
  body.writeUInt32LE(lost, 24)
  return message(1000, body)
}

function message(type: number, body: Buffer, header: { readonly length?: number } = {}): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(16), body])
  bytes.writeUInt32LE(header.length ?? bytes.length, 0)
  bytes.writeUInt16LE(type, 4)
  return bytes
}
