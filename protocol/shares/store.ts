import * as z from 'zod'
import { membersMax } from '../cluster/membership.ts'
import { clusterId, counter, ipv4, nodeId } from '../fields.ts'
import { helloSchema } from '../hello.ts'
import { epochIdSchema, epochsHeldMax } from './epoch.ts'

// What a node's agent, which keeps the shares, and the guardian's program in its sandbox say to each other on a Unix
// socket. Shares go as bytes, the rest as JSON.

/** GET /members: who is a member now, as the agent has checked it. */
export const memberListSchema = z.strictObject({
  cluster: clusterId,
  /** Of this node, the guardian itself. */
  nodeId,
  members: z
    .array(
      z.strictObject({
        nodeId,
        address: ipv4,
        hello: helloSchema,
        /** True while an operator has its shares held back. */
        held: z.boolean().optional(),
      }),
    )
    .max(membersMax)
    .readonly(),
})
export type MemberList = z.infer<typeof memberListSchema>
export type ListedMember = MemberList['members'][number]

/** What is held of one node; 200 to each PUT. */
export const holdingSchema = z.strictObject({
  epochs: z.array(epochIdSchema).max(epochsHeldMax).readonly(),
  /** The lowest release that still gets the node's shares. */
  counter,
})
export type Holding = z.infer<typeof holdingSchema>

/** GET /holdings: by node id. */
export const holdingsSchema = z.record(nodeId, holdingSchema)
export type Holdings = z.infer<typeof holdingsSchema>
