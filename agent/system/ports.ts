import { type Netlink, openNetlink } from './netlink.ts'

/** A local port that a socket is bound to, and the user who made the socket. */
export type HeldPort = { readonly protocol: 'tcp' | 'udp'; readonly port: number; readonly uid: number }

/*
 * The question and an answer of NETLINK_SOCK_DIAG (linux/inet_diag.h), each after a nlmsghdr of 16 bytes; numbers
 * little-endian but for the ports.
 *
 * | inet_diag_req_v2 | at | | inet_diag_msg | at |
 * | ---------------- | -- | - | ----------- | -- |
 * | family u8        | 0  | | family u8     | 0  |
 * | protocol u8      | 1  | | state u8      | 1  |
 * | states           | 4  | | source port   | 4  |
 * | addresses        | 8  | | uid           | 64 |
 * |                  | 56 | |               | 72 |
 */
const sockDiagProtocol = 4
const headerBytes = 16
const requestBytes = 56
const answerBytes = 72
const messageTypes = { error: 2, done: 3, byFamily: 20 } as const
const requestAndDump = 0x301
const inet = 2
const receiveBufferBytes = 1024 * 1024

/**
 * Of TCP: SYN_SENT, LISTEN, and bound to a port but neither (BOUND_INACTIVE). Not the connections of a port: there are
 * many, and who accepted them has the port. Of UDP: all.
 */
const questions = {
  tcp: { protocol: 6, states: (1 << 2) | (1 << 10) | (1 << 13) },
  udp: { protocol: 17, states: 0xffff_ffff },
} as const

/**
 * Says at each call who holds which port by IPv4 then; throws where the kernel does not say. It is asked every second:
 * one socket serves until it fails.
 */
export function portReader(open: () => Netlink = openSockDiag): () => HeldPort[] {
  let socket: Netlink | undefined
  return () => {
    socket ??= open()
    try {
      return [...ask(socket, 'tcp'), ...ask(socket, 'udp')]
    } catch (cause) {
      // What was left of an answer would be taken for the next.
      socket.close()
      socket = undefined
      throw cause
    }
  }
}

function openSockDiag(): Netlink {
  return openNetlink(sockDiagProtocol, receiveBufferBytes)
}

/** The kernel writes the next part of its answer when one is taken: so there is no waiting. */
function ask(socket: Netlink, protocol: HeldPort['protocol']): HeldPort[] {
  socket.send(encodeQuestion(protocol))
  const held: HeldPort[] = []
  for (;;) {
    const bytes = socket.receive()
    if (bytes === undefined) throw new Error(`Cannot list ${protocol} ports: the answer has no end`)
    for (const { type, body } of messagesOf(bytes)) {
      if (type === messageTypes.done) return held
      if (type === messageTypes.error)
        throw new Error(`Cannot list ${protocol} ports: errno ${-body.readInt32LE(0)}`)
      if (type === messageTypes.byFamily) held.push({ protocol, ...parseAnswer(body) })
    }
  }
}

function encodeQuestion(name: HeldPort['protocol']): Buffer {
  const { protocol, states } = questions[name]
  const message = Buffer.alloc(headerBytes + requestBytes)
  message.writeUInt32LE(message.length, 0)
  message.writeUInt16LE(messageTypes.byFamily, 4)
  message.writeUInt16LE(requestAndDump, 6)
  message.writeUInt8(inet, headerBytes)
  message.writeUInt8(protocol, headerBytes + 1)
  message.writeUInt32LE(states, headerBytes + 4)
  return message
}

type Message = { readonly type: number; readonly body: Buffer }

function* messagesOf(bytes: Buffer): Generator<Message> {
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const length = bytes.readUInt32LE(at)
    if (length < headerBytes || at + length > bytes.length)
      throw new SyntaxError(`Cannot list ports: a message of ${length} bytes`)
    yield { type: bytes.readUInt16LE(at + 4), body: bytes.subarray(at + headerBytes, at + length) }
    at += (length + 3) & ~3
  }
}

function parseAnswer(body: Buffer): Omit<HeldPort, 'protocol'> {
  if (body.length < answerBytes) throw new SyntaxError(`Cannot list ports: an answer of ${body.length} bytes`)
  return { port: body.readUInt16BE(4), uid: body.readUInt32LE(64) }
}
