import { interrupted } from '../../qemu/cleanup.ts'
import { type Cluster, environment, makeCluster } from './support/cluster.ts'
import { hurryAnd } from './support/cluster-acts.ts'
import { testImage } from './support/image.ts'
import { passphrase } from './support/node.ts'

const nodesMax = 32

/** `make cluster N=6`: machines that form a cluster, for a person to try things with, until Ctrl-C. */
async function main(count: number): Promise<void> {
  if (!Number.isInteger(count) || count < 1 || count > nodesMax)
    throw new RangeError(`Cannot make a cluster: N is a whole number from 1 to ${nodesMax}`)
  const ended = interrupted()
  await using stack = new AsyncDisposableStack()
  // What the end-to-end tests' support needs of a test.
  const session = {
    name: 'cluster',
    passing: () => true,
    teardown: (handler: () => Promise<void>) => {
      stack.defer(handler)
    },
  }
  const image = await testImage('cluster')
  const making = makeCluster(session, { image, count, calling: 0, boot: hurryAnd(), say })
  const cluster = await Promise.race([making, ended.then(() => undefined)])
  if (cluster === undefined) {
    making.catch(() => undefined)
    return
  }
  explain(cluster)
  await ended
}

/** Lines to paste into a second terminal. */
function explain({ folder, network }: Cluster): void {
  const orama = `ip netns exec ${network.namespace.name} bin/orama`
  const by = `--env ${environment} --config ${folder}/operator`
  say('From a second terminal, as root, in this folder:')
  say(`  all nodes:  ${orama} monitor report ${by} --watch`)
  say(`  one node:   ${orama} node logs ${by} --node ID --follow`)
  say(`  one more:   ${orama} node invite ${by}`)
  say(`The wallet's passphrase is '${passphrase}'. Consoles are in ${folder}/node-N.console.`)
  say(
    'From five nodes beside it on a node gives its secret to them, within seconds here. Ctrl-C ends all machines.',
  )
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

await main(Number(process.argv[2] ?? '6'))
