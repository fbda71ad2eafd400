import t from 'tap'
import { openNetlink } from '../../../agent/system/netlink.ts'

const routeProtocol = 0
const bufferBytes = 65_536
// The size of the receive buffer is for root to force.
const skip = process.getuid?.() === 0 ? false : 'needs root'

/** RTM_GETLINK for all links: header and an empty struct ifinfomsg. */
function listLinks(): Buffer {
  const message = Buffer.alloc(32)
  message.writeUInt32LE(32, 0)
  message.writeUInt16LE(18, 4)
  message.writeUInt16LE(0x301, 6)
  message.writeUInt32LE(5, 8)
  return message
}

t.test('what the kernel answers is received, and then nothing, without waiting', { skip }, async t => {
  const socket = openNetlink(routeProtocol, bufferBytes)
  t.teardown(socket.close)
  t.equal(socket.receive(), undefined)
  socket.send(listLinks())
  const first = socket.receive()
  t.equal(first?.readUInt16LE(4), 16, 'a new link')
  t.equal(first?.readUInt32LE(8), 5, 'the sequence number of the question')
  while (socket.receive() !== undefined);
  t.equal(socket.receive(), undefined)
})

t.test('a protocol that the kernel has not is refused', async t =>
  t.throws(() => openNetlink(31, bufferBytes), { name: 'SystemCallError', code: 'EPROTONOSUPPORT' }),
)

t.test('a socket that was closed is an error, not silence', { skip }, async t => {
  const socket = openNetlink(routeProtocol, bufferBytes)
  socket.close()
  t.throws(() => socket.receive(), { code: 'EBADF' })
  t.throws(() => socket.send(listLinks()), { code: 'EBADF' })
})
