import * as z from 'zod'
import { completionBytesMax, completionSchema } from './completion.ts'
import { helloSchema } from './hello.ts'

// A node that waits for its owner calls the gateway that its operator file names: wss://…/v1/agent/enroll. So it can
// be enrolled where nobody can call it. Each message is one text frame of JSON. Neither side believes the other
// anything: hello, grant and boxes prove themselves, as they do on port 9999.

/** Of the node, first: who waits here. Again, in the same call, whenever its keys have changed. */
export const enrollCallSchema = z.strictObject({ v: z.literal(1), hello: helloSchema })

/** Of the gateway: what `POST /v1/agent/enroll/complete` would bring. At most one at a time. */
export const calledCompletionSchema = z.strictObject({ completion: completionSchema })

/** Of the node: what it would answer on port 9999. */
export const calledAnswerSchema = z.strictObject({
  status: z.int().min(200).max(599),
  /** A CompletionAnswer or an ErrorAnswer. */
  body: z.json(),
})

/** The longest frames of either side. */
export const frameBytesMax = { fromNode: 128 * 1024, fromGateway: completionBytesMax } as const
/** A node that was not heard for so long is gone; it pings more often. */
export const callSilenceMs = 60_000
export const callPingMs = 20_000
