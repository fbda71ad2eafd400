import { errorName, libc, socketNumber } from './calls.ts'

const inet = 2
const socketTypes = { tcp: 1, udp: 2 } as const
const nonblock = 0o4000

/** A local port and who may call it. */
export type Hold = readonly [protocol: keyof typeof socketTypes, host: string, port: number]

/** Binds a socket to a port and leaves it at that, until the process ends. */
export function holdPort(hold: Hold): string {
  return bindSocket(hold)[0]
}

/** The same, and it waits for the answer of an address that gives none. */
export function holdPortWaiting(hold: Hold, [host, port]: readonly [string, number]): string {
  const [outcome, fd] = bindSocket(hold)
  if (outcome !== 'done') return outcome
  return libc.connect(fd, socketAddress(host, port), 16) < 0 ? errorName() : 'done'
}

function bindSocket([protocol, host, port]: Hold): readonly [outcome: string, fd: number] {
  const type = BigInt(socketTypes[protocol] | nonblock)
  const fd = Number(libc.syscall(BigInt(socketNumber), BigInt(inet), type, 0n, 0n, 0n, 0n))
  if (fd < 0 || libc.bind(fd, socketAddress(host, port), 16) < 0) return [errorName(), fd]
  return ['done', fd]
}

/** struct sockaddr_in. */
function socketAddress(host: string, port: number): Buffer {
  const address = Buffer.alloc(16)
  address.writeUInt16LE(inet, 0)
  address.writeUInt16BE(port, 2)
  address.set(host.split('.').map(Number), 4)
  return address
}
