import t from 'tap'
import { libp2pId, libp2pKey } from '../../protocol/libp2p.ts'

// Made by `ipfs init` of kubo 0.43.0.
const privKey = 'CAESQHleb5+BvvB53gTkrCGSh5wBEhY4qEgjXzObkzfUZDx7JRLKAm0g5Tg5TaNQYmPIzaev3/cYl5RFJ7m5XgNC2a0='
const peerId = '12D3KooWCK5sTdejuF2zJdy8soaFSXAa22Q56bqGc6VAkyFaCRB2'
const seed = Buffer.from(privKey, 'base64').subarray(4, 36)

t.test('libp2pKey() writes a seed as kubo does', async t =>
  t.equal((await libp2pKey(seed)).toString('ascii'), privKey),
)

t.test('libp2pId() is the peer id that kubo shows', async t => t.equal(libp2pId(seed), peerId))

t.test('another seed has another key and id', async t => {
  const other = Buffer.alloc(32, 9)
  t.not((await libp2pKey(other)).toString('ascii'), privKey)
  t.match(libp2pId(other), /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/)
  t.not(libp2pId(other), peerId)
})

for (const length of [0, 31, 33, 64])
  t.test(`a seed of ${length} bytes is refused`, async t => {
    await t.rejects(libp2pKey(Buffer.alloc(length, 1)), { name: 'RangeError' })
    t.throws(() => libp2pId(Buffer.alloc(length, 1)), { name: 'RangeError', message: /need 32/ })
  })
