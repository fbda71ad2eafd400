import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { HttpError } from '../../../../http/error.ts'
import { parseJson } from '../../../../http/body.ts'
import { closeHttp, type Routes, serveHttp } from '../../../../http/server.ts'
import { type Admission, admissionSchema, joinedSchema } from '../../../../protocol/cluster/admission.ts'
import { emptyMembership, merge, noMembers, recordsOf } from '../../../../protocol/cluster/membership.ts'
import { type News, newsDigest, newsSchema } from '../../../../protocol/cluster/news.ts'
import { verifyAcknowledgement } from '../../../../protocol/completion.ts'
import { toBase64url } from '../../../../protocol/fields.ts'
import { helloHash } from '../../../../protocol/hello.ts'
import { newKeyPair } from '../../../../protocol/keys.ts'
import { sealCompletion } from '../../../../protocol/seal.ts'
import { recoverSigner } from '../../../../protocol/wallet.ts'
import { socketPath, unheard } from '../../../http/serving.ts'
import { authority, cluster, genesisRecord } from '../../../protocol/cluster/sample.ts'

export const gatewayPair = newKeyPair('x25519')
export const offer = {
  cluster,
  authority: authority.address,
  gatewayKey: toBase64url(gatewayPair.publicKey),
}
const facts = {
  ...offer,
  nodeId: 'naaaaaaaaaaaaaaaa',
  address: '10.0.0.1',
  prefix: 24,
  agentToken: 'ab'.repeat(32),
}
const clusterSecret = toBase64url(randomBytes(32))

/** What an agent of a node does for its gateway, but that it judges nothing: it seals, opens and passes on. */
export async function playedAgent(t: Test, changes: Routes = {}) {
  const known = merge(emptyMembership({ cluster, authority: authority.address }), {
    ...noMembers,
    members: [genesisRecord()],
  })
  let { membership } = known
  const opened = new Map<string, { readonly admission: Admission; readonly open: (box: string) => Buffer }>()
  const asked: string[] = []
  /** So often it has too much to do to say whether a node has joined. */
  const busy = { times: 0 }
  const news = (): News => ({ membership: recordsOf(membership), endpoints: [] })
  const seal = (admission: Admission) => {
    const { hello, grant, invite, address } = admission
    const wireguard = { address, prefix: 24, listenPort: 51_820, peers: [] }
    const config = { v: 1, cluster, clusterSecret, wireguard, join: { invite, ...news() } }
    const plaintext = Buffer.from(JSON.stringify(config))
    const gatewayPrivate = gatewayPair.privateKey
    const sealed = sealCompletion({ hello, grantText: grant.text, gatewayPrivate, plaintext })
    opened.set(helloHash(hello), { admission, open: sealed.openReply })
    return { v: 1, grant, ephemeral: sealed.ephemeral, box: sealed.box }
  }
  const path = await socketPath(t)
  const routes: Routes = {
    'GET /cluster': {
      handle: () => ({ body: facts }),
    },
    'GET /news': {
      handle: ({ url }) => {
        const [known, digest] = [url.searchParams.get('known'), newsDigest(news())]
        return { body: known === digest ? { digest } : { digest, news: news() } }
      },
    },
    'POST /news': {
      bodyBytesMax: 1024 * 1024,
      handle: ({ body }) => {
        membership = merge(membership, parseJson(body, newsSchema).membership).membership
        return { body: { digest: newsDigest(news()) } }
      },
    },
    'POST /met': { bodyBytesMax: 256, handle: () => ({ body: {} }) },
    'POST /join': {
      bodyBytesMax: 1024 * 1024,
      handle: ({ body }) => {
        const admission = parseJson(body, admissionSchema)
        asked.push(admission.address)
        return { body: { completion: seal(admission) } }
      },
    },
    'POST /joined': {
      bodyBytesMax: 1024 * 1024,
      handle: ({ body }) => {
        if (busy.times-- > 0) throw new HttpError(503, 'busy', 'ask again')
        const { hello, answer } = parseJson(body, joinedSchema)
        const { admission, open } = opened.get(hello) ?? {}
        if (admission === undefined || open === undefined) throw new HttpError(403, 'nobody knows it', 'join')
        const owner = recoverSigner(admission.grant.text, admission.grant.signature).address
        const said: unknown = JSON.parse(open(answer.box).toString())
        const acknowledgement = verifyAcknowledgement(said, { hello: admission.hello, owner, cluster })
        membership = merge(membership, { ...noMembers, members: [answer.member] }).membership
        return { body: { acknowledgement } }
      },
    },
  }
  const server = await serveHttp({ path, routes: { ...routes, ...changes }, report: unheard })
  t.teardown(() => closeHttp(server))
  return { path, asked, busy, membership: () => membership, close: () => closeHttp(server) }
}
