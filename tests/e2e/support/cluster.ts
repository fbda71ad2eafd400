import { randomBytes } from 'node:crypto'
import type { Machine } from '../../../qemu/machine.ts'
import { type Network, startNetwork } from '../../../qemu/network.ts'
import { inviteKey, proveInvite, tokenHash } from '../../../protocol/cluster/invite.ts'
import { sealClaim } from '../../../protocol/cluster/joining.ts'
import type { MemberRecord } from '../../../protocol/cluster/member.ts'
import { noMembers } from '../../../protocol/cluster/membership.ts'
import { type News, newsSchema } from '../../../protocol/cluster/news.ts'
import { composeVoucher } from '../../../protocol/cluster/voucher.ts'
import { type EnrollmentConfig, verifyAcknowledgement } from '../../../protocol/completion.ts'
import { formatTime, toBase64url } from '../../../protocol/fields.ts'
import { composeGrant } from '../../../protocol/grant.ts'
import { helloHash, helloPageSchema } from '../../../protocol/hello.ts'
import { newKeyPair } from '../../../protocol/keys.ts'
import { completionAnswerSchema } from '../../../protocol/requests.ts'
import { sealCompletion } from '../../../protocol/seal.ts'
import { addressOf, publicKeyOf, signText } from '../../../protocol/wallet.ts'
import { ask, posted } from './enrollment-port.ts'
import { testFolder } from './folder.ts'
import type { Test } from './keep.ts'
import { enroll, makePlace, operatorOf, type Place, readConsole, type Site } from './node.ts'
import { nodeFile, walletKey } from './wallet-file.ts'

/** One node of a cluster under test. */
export type ClusterNode = {
  readonly name: string
  readonly place: Place
  /** On WireGuard. */
  readonly address: string
  machine: Machine
  nodeId: string
  token: string
}

/** Several machines on one network. The operator's machine plays the gateway's part when a node joins. */
export type Cluster = {
  readonly folder: string
  readonly network: Network
  /** The genesis first. */
  readonly nodes: ClusterNode[]
}

type Boot = Parameters<Place['boot']>[0]
const minuteMs = 60_000

/** Boots `count` machines; the first is enrolled as genesis, then each of the others joins. */
export async function makeCluster(
  t: Test,
  of: { readonly image: string; readonly count: number; readonly boot?: Boot },
): Promise<Cluster> {
  const folder = await testFolder(t)
  const network = await startNetwork({ folder })
  t.teardown(async () => network[Symbol.asyncDispose]())
  const nodes: ClusterNode[] = []
  const cluster = { folder, network, nodes }
  for (let at = 1; at <= of.count; at += sideBySide) {
    const next = Array.from({ length: Math.min(sideBySide, of.count + 1 - at) }, (_, more) => at + more)
    nodes.push(...(await Promise.all(next.map(number => boot(t, { ...of, folder, network, number })))))
  }
  for (const node of nodes) await (node === nodes[0] ? enrollGenesis : enrollNext)(cluster, node)
  return cluster
}

/** A machine that boots keeps one core busy. */
const sideBySide = 2

type Booted = Pick<Cluster, 'folder' | 'network'> & {
  readonly image: string
  readonly boot?: Boot
  readonly number: number
}

/** Until its console says that it waits for its owner. */
async function boot(
  t: Test,
  { folder, network, image, number, boot: options }: Booted,
): Promise<ClusterNode> {
  const name = `node-${number}`
  const place = await makePlace(t, { folder, network, image, name })
  const machine = await place.boot(options)
  await machine.console.waitFor('STATE blank\n', 5 * minuteMs)
  return { name, place, address: `10.0.0.${number}`, machine, nodeId: '', token: '' }
}

async function enrollGenesis(cluster: Cluster, node: ClusterNode): Promise<void> {
  const site = siteOf(cluster, node)
  await enroll(site, node.machine)
  const { nodeId, enrolled } = await nodeFile(site)
  Object.assign(node, { nodeId, token: enrolled?.agentToken ?? '' })
}

async function enrollNext(cluster: Cluster, node: ClusterNode): Promise<void> {
  const known = await exchange(cluster, noNews)
  const member = await join(siteOf(cluster, node), node, known)
  await exchange(cluster, { ...noNews, membership: { members: [member], departures: [] } })
}

function siteOf({ folder, network }: Cluster, { place }: ClusterNode): Site {
  return { folder, network, ...place, orama: operatorOf(network, folder) }
}

const noNews: News = { membership: noMembers, endpoints: [] }

/** Gives news to the genesis, and takes its own. */
async function exchange({ network, nodes: [genesis] }: Cluster, news: News): Promise<News> {
  if (genesis === undefined) throw new RangeError('Cannot ask a cluster of no nodes')
  const url = `http://${genesis.address}:9998/v1/agent/news`
  const token = `Authorization: Bearer ${genesis.token}`
  const flags = ['-s', '-m', '30', '-H', token, '--data-binary', '@-', url]
  const text = await network.exec('curl', flags, { input: JSON.stringify(news) })
  const parsed = newsSchema.safeParse(JSON.parse(text))
  if (!parsed.success) throw new Error(`Cannot exchange news: ${text.slice(0, 500)}`)
  return parsed.data
}

/** What an invite, the owner's command and the gateway do together. */
async function join(site: Site, node: ClusterNode, known: News): Promise<MemberRecord> {
  const file = await nodeFile(site)
  const operator = await walletKey(site)
  const owner = randomBytes(32)
  const token = randomBytes(32)
  const gateway = newKeyPair('x25519')
  const shown = await readConsole(node.machine, 'boot', 5 * minuteMs)
  const { hello } = helloPageSchema.parse((await ask(site, {})).body)
  const now = Date.now()
  const [issued, expires] = [formatTime(new Date(now)), formatTime(new Date(now + 15 * minuteMs))]
  const hash = tokenHash(inviteKey(token).publicKey)
  const voucher = composeVoucher({ cluster: file.cluster, tokenHash: hash, issued, expires })
  const text = composeGrant({
    kind: 'join',
    cluster: file.cluster,
    authority: file.owner,
    hello: helloHash(hello),
    code: shown.code,
    nodeIp: site.port.address,
    gatewayKey: toBase64url(gateway.publicKey),
    tokenHash: hash,
    issued,
    expires,
  })
  const config: EnrollmentConfig = {
    v: 1,
    cluster: file.cluster,
    clusterSecret: file.clusterSecret,
    wireguard: { address: node.address, prefix: 24, listenPort: 51_820, peers: [] },
    join: {
      invite: {
        voucher: { text: voucher, signature: signText(voucher, operator) },
        proof: proveInvite(token, text),
      },
      ...known,
    },
  }
  const plaintext = Buffer.from(JSON.stringify(config))
  const sealed = sealCompletion({ hello, grantText: text, gatewayPrivate: gateway.privateKey, plaintext })
  const grant = { text, signature: signText(text, owner) }
  const claim = sealClaim(shown.claim, { hello, grant })
  const answer = await ask(site, posted({ v: 1, grant, ephemeral: sealed.ephemeral, box: sealed.box, claim }))
  if (answer.status !== 200) throw new Error(`Cannot join: ${JSON.stringify(answer.body)}`)
  const { box, member } = completionAnswerSchema.parse(answer.body)
  const expected = { hello, owner: addressOf(publicKeyOf(owner)), cluster: file.cluster }
  const acknowledgement = verifyAcknowledgement(JSON.parse(sealed.openReply(box).toString()), expected)
  node.nodeId = acknowledgement.nodeId
  node.token = acknowledgement.agentToken
  return member
}
