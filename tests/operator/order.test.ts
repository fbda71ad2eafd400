import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadNodes, type NodeFile, saveNode } from '../../operator/node-file.ts'
import { type OrderRequest, signOrder } from '../../operator/order.ts'
import { realWorld } from '../../operator/world.ts'
import { parseOrder } from '../../protocol/order.ts'
import { enrolled } from './enrolled.ts'
import { owner, ownerKey } from './support.ts'

const world = realWorld()

/** A node on file, and commands that read the file before others changed it. */
async function onFile(t: Test) {
  const { config } = await enrolled(t)
  const folder = join(config, 'nodes')
  const load = async (): Promise<NodeFile> => {
    const [node] = await loadNodes(folder)
    if (node === undefined) throw new Error('Cannot find the node')
    return node
  }
  const wallet = { address: owner, privateKey: ownerKey }
  const sign = async (node: NodeFile, changes: Partial<OrderRequest> = {}) => {
    const signed = await signOrder(world, node, { folder, wallet, action: 'rekey', values: {}, ...changes })
    return { ...signed, number: parseOrder(signed.order.text).number }
  }
  return { folder, load, sign, save: (node: NodeFile) => saveNode(world, folder, node) }
}

t.test('two commands in turn that read one file give their orders different numbers', async t => {
  const { load, sign } = await onFile(t)
  const old = await load()
  t.equal((await sign(old)).number, 1)
  t.equal((await sign(old)).number, 2)
  t.equal((await load()).orderNumber, 2)
})

t.test('so do several at once', async t => {
  const { load, sign } = await onFile(t)
  const old = await load()
  const signed = await Promise.all([sign(old), sign(old), sign(old)])
  t.same(signed.map(({ number }) => number).toSorted(), [1, 2, 3])
})

t.test('an order is counted after what the node has seen and what the file says', async t => {
  const { load, sign } = await onFile(t)
  const old = await load()
  t.equal((await sign(old, { lastNumber: 6 })).number, 7)
  t.equal((await sign(old, { lastNumber: 4 })).number, 8)
  t.match((await sign(old)).node, { orderNumber: 9 })
})

t.test('a newer escrow number stays on file, and is told', async t => {
  const { load, sign, save } = await onFile(t)
  const old = await load()
  await save({ ...old, escrowNumber: 5 })
  t.equal((await sign({ ...old, escrowNumber: 4 })).node.escrowNumber, 5)
  t.equal((await load()).escrowNumber, 5)
  await sign({ ...old, escrowNumber: 6 })
  t.equal((await load()).escrowNumber, 6)
})

t.test('an order changes nothing else on file', async t => {
  const { load, sign } = await onFile(t)
  const now = await load()
  await sign({ ...now, enrolled: undefined })
  t.same(await load(), { ...now, orderNumber: 1 })
})

t.test('a file that is saved from an old copy keeps the numbers of a newer one', async t => {
  const { load, save } = await onFile(t)
  const old = await load()
  await save({ ...old, orderNumber: 7, escrowNumber: 5 })
  await save({ ...old, nodeIp: '192.0.2.9' })
  t.same(await load(), { ...old, nodeIp: '192.0.2.9', orderNumber: 7, escrowNumber: 5 })
})

t.test('no order is signed where the file is gone, and none is made anew', async t => {
  const { folder, load, sign } = await onFile(t)
  const old = await load()
  await rm(join(folder, `${old.nodeId}.json`))
  await t.rejects(sign(old), { message: /Cannot read/ })
  t.same(await loadNodes(folder), [])
})
