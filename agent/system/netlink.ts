import { closeSync } from 'node:fs'
import { openSocket, receiveDatagram, sendDatagram, setSocketOption } from './libc.ts'

/** A netlink socket to the kernel. Nothing here waits: who wants messages looks from time to time. */
export type Netlink = {
  /** Returns when the kernel has taken the message; what it answers is to be received. */
  readonly send: (message: Uint8Array) => void
  /** The next message of the kernel, undefined where none waits. Valid until the next call. */
  readonly receive: () => Buffer | undefined
  readonly close: () => void
}

const familyNetlink = 16
const typeRaw = 3
/** SO_RCVBUFFORCE of SOL_SOCKET. */
const receiveBufferForce = { level: 1, name: 33 }
/** NETLINK_NO_ENOBUFS of SOL_NETLINK: a full buffer is no error of the next receive; the sender keeps the message. */
const noOverrunError = { level: 270, name: 5 }
/** struct sockaddr_nl of linux/netlink.h: family (u16), padding (u16), port id (u32, 0 is the kernel), groups (u32). */
const addressBytes = 12
const portIdAt = 4
/** The longest audit record is 8,560 bytes of text and its header. */
const messageBytesMax = 16 * 1024

/**
 * A blocking reader would hold a thread for ever and net.Socket refuses such a descriptor: so the socket never
 * blocks. Throws SystemCallError where the kernel has no such protocol.
 */
export function openNetlink(protocol: number, receiveBufferBytes: number): Netlink {
  const fd = openSocket(familyNetlink, typeRaw, protocol)
  try {
    setSocketOption(fd, receiveBufferForce, receiveBufferBytes)
    setSocketOption(fd, noOverrunError, 1)
  } catch (cause) {
    closeSync(fd)
    throw cause
  }
  const buffer = Buffer.alloc(messageBytesMax)
  const from = Buffer.alloc(addressBytes)
  const receive = () => {
    for (;;) {
      const length = receiveDatagram(fd, buffer, from)
      if (length === undefined) return undefined
      // Other processes can write to a netlink socket too.
      if (from.readUInt32LE(portIdAt) === 0) return buffer.subarray(0, length)
    }
  }
  return {
    send: message => {
      sendDatagram(fd, message)
    },
    receive,
    close: () => {
      closeSync(fd)
    },
  }
}
