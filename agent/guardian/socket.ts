import type { Server } from 'node:http'
import * as z from 'zod'
import { parseJson } from '../../http/body.ts'
import { HttpError } from '../../http/error.ts'
import { parseQuery } from '../../http/query.ts'
import type { Reply, Request, Routes } from '../../http/server.ts'
import { type NewsMessage, newsBytesMax, newsMessageSchema } from '../../protocol/cluster/news.ts'
import { counter, nodeId } from '../../protocol/fields.ts'
import { epochNamesText, epochNameText } from '../../protocol/shares/epoch.ts'
import { shareBytes } from '../../protocol/shares/split.ts'
import type { MemberList } from '../../protocol/shares/store.ts'
import { serveOnSocket, type SocketPlace } from '../services/socket.ts'
import type { SharesShown } from './share-faults.ts'

export type GuardianSide = {
  readonly store: SharesShown
  /** Who is a member now, and which node this is. */
  readonly members: () => MemberList
  /** Takes what a node says of the cluster; returns what this node says to it. */
  readonly exchange: (message: NewsMessage, node: string) => Promise<NewsMessage>
}

/** Serves the guardian's program in its sandbox, on a Unix socket that only it may open. */
export function serveGuardian(side: GuardianSide, place: SocketPlace): Promise<Server> {
  return serveOnSocket(socketRoutes(side), place)
}

const noQuerySchema = z.strictObject({})
const nodeQuerySchema = z.strictObject({ node: nodeId })
const shareQuerySchema = z.strictObject({ node: nodeId, epoch: epochNameText })
const depositQuerySchema = z.strictObject({ ...shareQuerySchema.shape, keep: epochNamesText })
const keepQuerySchema = z.strictObject({ node: nodeId, keep: epochNamesText })
const counterText = z.string().regex(/^(0|[1-9]\d{0,15})$/, 'not decimal digits')
const releaseQuerySchema = z.strictObject({
  node: nodeId,
  counter: counterText.transform(Number).pipe(counter),
})

/** The routes of the socket: docs/guardian.md has them as a table. */
export function socketRoutes({ store, members, exchange }: GuardianSide): Routes {
  return {
    'GET /members': {
      handle: ({ url }) => {
        parseQuery(url, noQuerySchema)
        return { body: members() }
      },
    },
    'GET /holdings': {
      handle: ({ url }) => {
        parseQuery(url, noQuerySchema)
        return fromStore(store, () => ({ body: store.holdings() }))
      },
    },
    'GET /share': { handle: ({ url }) => fromStore(store, () => showShare(store, url)) },
    'PUT /share': { bodyBytesMax: shareBytes, handle: request => putShare(store, request) },
    'PUT /keep': {
      handle: ({ url }) => {
        const { node, keep } = parseQuery(url, keepQuerySchema)
        return changed(store, node, () => store.keep(node, keep))
      },
    },
    'POST /news': {
      bodyBytesMax: newsBytesMax,
      handle: async ({ url, body }) => {
        const { node } = parseQuery(url, nodeQuerySchema)
        return { body: await exchange(parseJson(body, newsMessageSchema), node) }
      },
    },
    'PUT /release': {
      handle: ({ url }) => {
        const { node, counter } = parseQuery(url, releaseQuerySchema)
        return changed(store, node, () => store.raise(node, counter))
      },
    },
  }
}

async function showShare(store: SharesShown, url: URL): Promise<Reply> {
  const { node, epoch } = parseQuery(url, shareQuerySchema)
  const share = await store.share(node, epoch)
  if (share === undefined) throw new HttpError(404, 'no such share', 'GET /holdings says what is held')
  return { body: share, sent: () => share.fill(0) }
}

async function putShare(store: SharesShown, { url, body: share }: Request): Promise<Reply> {
  try {
    const { node, epoch, keep } = parseQuery(url, depositQuerySchema)
    if (share.length !== shareBytes || share.at(-1) === 0)
      throw new HttpError(400, 'the body is no share', `send ${shareBytes} bytes, the last of them not 0`)
    return await changed(store, node, () => store.put(node, { epoch, share, keep }))
  } finally {
    share.fill(0)
  }
}

/** What is held of the node once the change is on the disk. */
function changed(store: SharesShown, node: string, change: () => Promise<void>): Promise<Reply> {
  return fromStore(store, async () => {
    await change()
    return { body: store.holding(node) }
  })
}

/** Refuses with 503 where the token is unreadable, with 507 where a limit of the store would be exceeded. */
async function fromStore(store: SharesShown, act: () => Reply | Promise<Reply>): Promise<Reply> {
  if (store.fault() !== undefined)
    throw new HttpError(
      503,
      'the shares that are held for others are unreadable',
      'the log of the agent says why',
    )
  try {
    return await act()
  } catch (cause) {
    if (cause instanceof RangeError) throw new HttpError(507, cause.message, 'nothing was changed')
    throw cause
  }
}
