import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { Site } from './node.ts'

const portsMax = 65_535
// As many as a process may have open files without asking.
const atOnce = 500

/**
 * Knocks at every TCP port and every UDP port of the site's machine, and waits for no answer: whether there was
 * one, a capture says. Nothing is lost on the way, however slowly the machine takes it: its queue holds it all.
 */
export async function knockEverywhere({ network, port }: Site): Promise<void> {
  await network.exec('ip', ['link', 'set', port.tap, 'txqueuelen', String(4 * portsMax)])
  const inside = await network.namespace.enter()
  try {
    await knockTcp(port.address)
    await knockUdp(port.address)
  } finally {
    await inside[Symbol.asyncDispose]()
  }
}

async function knockTcp(host: string): Promise<void> {
  for (let first = 1; first <= portsMax; first += atOnce) {
    const sockets: Socket[] = []
    for (let port = first; port < first + atOnce && port <= portsMax; port++)
      sockets.push(connect({ host, port }).on('error', () => undefined))
    // The SYN leaves with the call of connect(2), which comes in the next tick.
    await setImmediate()
    for (const socket of sockets) socket.destroy()
    await setImmediate()
  }
}

async function knockUdp(host: string): Promise<void> {
  const socket = createSocket('udp4')
  const garbage = Buffer.alloc(148, 1)
  for (let port = 1; port <= portsMax; port++)
    await new Promise<void>((resolve, reject) => {
      socket.send(garbage, port, host, error => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  socket.close()
}

/** How many packets did not get from the network to the machine since it was started. */
export async function droppedPackets({ network, port }: Site): Promise<number> {
  const text = await network.exec('cat', [`/sys/class/net/${port.tap}/statistics/tx_dropped`])
  return Number(text)
}
