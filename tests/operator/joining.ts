import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { joinedFileSchema, type JoinedFile } from '../../operator/node-file.ts'
import {
  checkAsking,
  checkInviteProof,
  formatInvite,
  inviteKey,
  tokenHash,
} from '../../protocol/cluster/invite.ts'
import type { JoinAnswer, JoinRequest } from '../../protocol/cluster/joining.ts'
import { openClaim } from '../../protocol/cluster/joining.ts'
import { signMember } from '../../protocol/cluster/member.ts'
import { composeVoucher } from '../../protocol/cluster/voucher.ts'
import { signAcknowledgement } from '../../protocol/completion.ts'
import { checkGrant } from '../../protocol/grant.ts'
import { helloHash } from '../../protocol/hello.ts'
import { signText } from '../../protocol/wallet.ts'
import { newNode, signedBy } from '../protocol/cluster/sample.ts'
import { cluster, fingerprint, origin, playGateway } from './gateway.ts'
import { agentToken, luksUuid, now, playNode } from './node.ts'
import type { PlayedNode } from './node.ts'
import { configFolder, owner, ownerKey, type Setting } from './support.ts'

export const token = Buffer.alloc(32, 7)
const hash = tokenHash(inviteKey(Buffer.from(token)).publicKey)
const voucherText = composeVoucher({
  cluster,
  tokenHash: hash,
  issued: '2026-11-21T08:00:00Z',
  expires: '2026-11-21T12:00:00Z',
})
export const voucher = { text: voucherText, signature: signText(voucherText, ownerKey) }
export const invite = { u: origin, t: token.toString('hex'), f: fingerprint, c: cluster, a: owner }

/** What the test wants of the answer to be other than it is. */
export type Lie = {
  acknowledgement?: Partial<JoinAnswer['acknowledgement']>
  voucher?: JoinAnswer['member']['grant']
  grant?: JoinAnswer['member']['grant']
  address?: string
  by?: ReturnType<typeof newNode>
  member?: Partial<JoinAnswer['member']>
  uninvited?: boolean
}

/** What gateway and agent answer to a request that holds: by the keys of the node, with one lie or none. */
export async function answerOf(node: PlayedNode, request: JoinRequest, lie: Lie = {}): Promise<JoinAnswer> {
  await checkGrant(request.grant, { hello: node.hello, now })
  checkAsking(request.asking, request)
  checkInviteProof(request.proof, { grantText: request.grant.text, tokenHash: hash })
  const { keys, hello, nodeId } = lie.by ?? node
  const acknowledgement = signAcknowledgement(
    {
      v: 1,
      nodeId,
      hello: helloHash(hello),
      owner,
      cluster,
      luksUuid,
      agentToken,
      wireguard: { publicKey: hello.wireguard, address: '10.0.0.2' },
      ...lie.acknowledgement,
    },
    keys.identity.privateKey,
  )
  const facts = {
    hello,
    grant: lie.grant ?? request.grant,
    ...(lie.uninvited === true ? {} : { invite: { voucher: lie.voucher ?? voucher, proof: request.proof } }),
    address: lie.address ?? '10.0.0.2',
  }
  return { acknowledgement, member: { ...signMember(facts, keys.lease.privateKey), ...lie.member } }
}

/** A voucher for the token by another wallet. */
export const voucherBy = (wallet: Parameters<typeof signedBy>[0]) => signedBy(wallet, voucherText)

/** A node that waits, a gateway that answers for it, an invite in a file, and the setting in which both answer. */
export async function joining(t: Test, lie: Lie = {}) {
  const node = await playNode(t)
  const claims: string[] = []
  const requests: JoinRequest[] = []
  const gateway = await playGateway(t, {
    hello: () => ({ hello: node.hello }),
    enroll: request => {
      requests.push(request)
      const enrollmentPrivate = node.keys.enrollment.privateKey
      const { grant, claim } = request
      if (claim !== undefined) claims.push(openClaim(claim, { grant, enrollmentPrivate }))
      return answerOf(node, request, lie)
    },
  })
  const config = await configFolder(t)
  const file = join(config, 'invite.txt')
  await writeFile(file, `${formatInvite(invite)}\n`)
  const setting: Setting = { config, ports: { 443: gateway.port, 9999: node.port } }
  const line = ['node', 'enroll', '--invite', file, '--passphrase-fd', '3', '--json']
  const byAddress = [...line, '--node-ip', '192.0.2.8', '--code', node.code]
  return { node, gateway, claims, requests, config, file, setting, line, byAddress }
}

/** What the operator's machine keeps of a node that joins. */
export async function joinedFile(config: string, { nodeId }: { nodeId: string }): Promise<JoinedFile> {
  return joinedFileSchema.parse(JSON.parse(await readFile(join(config, 'nodes', `${nodeId}.json`), 'utf8')))
}
