import type { Hello } from '../../../protocol/hello.ts'
import type { Delivery } from './deliver.ts'

/** What a node answers to a completion, on port 9999 or over its call; the body is not judged yet. */
export type NodeAnswer = { readonly status: number; readonly body: unknown }

/** Nodes that have called this gateway and wait for their owner. */
export type WaitingNodes = {
  /** The hello of the node whose console shows this code. */
  readonly helloOf: (code: string) => Hello | undefined
  /** Undefined where the node has not called. Rejects when the call ends, or the signal says so. */
  readonly complete: (delivery: Delivery, signal: AbortSignal) => Promise<NodeAnswer> | undefined
}
