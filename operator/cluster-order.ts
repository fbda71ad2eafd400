import { z } from 'zod'
import { composeEviction } from '../protocol/cluster/departure.ts'
import { composeHold } from '../protocol/cluster/hold.ts'
import { formatTime, nodeId } from '../protocol/fields.ts'
import type { SignedText } from '../protocol/fields.ts'
import { signText } from '../protocol/wallet.ts'
import { askNode } from './agent.ts'
import { isSet, optional } from './command.ts'
import type { Command, Input, Options, Output } from './command.ts'
import { findEnvironment } from './environments.ts'
import { Failure } from './failure.ts'
import { withMessenger } from './messenger.ts'
import { findEnrolled } from './node-file.ts'
import { reachOptions, withMember } from './reach.ts'
import type { Reached } from './reach.ts'
import { signedIn, walletInput } from './sign-in.ts'
import { withWallet } from './wallet.ts'
import type { Wallet } from './wallet.ts'
import type { World } from './world.ts'

// What an operator signs for the whole cluster. Any node takes it and passes it on as news; so it is sent to one that
// answers, which need not be the node that it is about.

const actions = {
  hold: {
    help: 'have guardians keep the shares of a node back, so that it cannot open its disk',
    done: 'held',
  },
  release: { help: 'end the hold of a node', done: 'released' },
  evict: { help: 'put a node out of its cluster for ever', done: 'evicted' },
} as const
type Action = keyof typeof actions

/** The last millisecond that a time can name. */
const numberMax = Date.parse('9999-12-31T23:59:59.999Z')

const above = {
  help: 'outdo the hold or release of this number, which a clock that was ahead has made',
  value: 'NUMBER',
} as const

export const nodeHold = orderCommand('hold', { above })
export const nodeRelease = orderCommand('release', { above })
export const nodeEvict = orderCommand('evict', {
  force: { help: 'although some node would have too few holders of its shares left' },
})

function orderCommand(action: Action, more: Options = {}): Command {
  return {
    help: `${actions[action].help}; an operator's wallet signs`,
    words: ['ID'],
    options: { ...reachOptions, ...more },
    examples: [
      `orama node ${action} n5v7jxnqr3k2m4a6t --env home`,
      `orama node ${action} n5v7jxnqr3k2m4a6t --node-ip 10.0.0.1`,
    ],
    run: (world, input) => carryOut(world, input, action),
  }
}

async function carryOut(world: World, input: Input, action: Action): Promise<Output> {
  const id = readId(input)
  const facts = { action, node: id, force: isSet(input, 'force'), above: readAbove(input) }
  const answer =
    optional(input, 'env') === undefined
      ? await sendDirectly(world, input, facts)
      : await sendByGateway(world, input, facts)
  return { json: answer, text: `Node ${id} is ${actions[action].done}; the cluster hears of it.` }
}

function readId({ words }: Input): string {
  const [id, ...others] = words
  const parsed = nodeId.safeParse(id)
  if (parsed.success && others.length === 0) return parsed.data
  throw new Failure('usage', 'Cannot read the id of the node', { hint: "'orama node list' shows them" })
}

/** 0 where none is given. */
function readAbove(input: Input): number {
  const text = optional(input, 'above') ?? '0'
  if (/^\d{1,15}$/.test(text) && Number(text) < numberMax) return Number(text)
  throw new Failure('usage', 'Cannot read the number of --above', {
    hint: 'The node that refused said which one it knows',
  })
}

type Facts = {
  readonly action: Action
  readonly node: string
  readonly force: boolean
  readonly above: number
}

async function sendDirectly(world: World, input: Input, facts: Facts): Promise<unknown> {
  const messenger = await findEnrolled(world, input)
  const { cluster } = messenger
  const order = await withWallet(world, input, wallet => sign({ ...facts, cluster }, wallet, world.now()))
  return withMember(messenger, reached => send(world, reached, { action: facts.action, order }))
}

async function sendByGateway(world: World, input: Input, facts: Facts): Promise<unknown> {
  const environment = await findEnvironment(world, input)
  const { cluster } = environment
  return withWallet(world, walletInput(input, environment), wallet =>
    signedIn({ world, input, environment, wallet }, token => {
      const order = sign({ ...facts, cluster }, wallet, world.now())
      return withMessenger(world, { environment, token, except: facts.node }, reached =>
        send(world, reached, { action: facts.action, order }),
      )
    }),
  )
}

function sign(
  { action, node, force, above, cluster }: Facts & { readonly cluster: string },
  { privateKey }: Wallet,
  now: Date,
): SignedText {
  // A hold's number is no higher than its time: who outdoes a clock that was ahead has to date ahead too.
  const number = Math.max(now.getTime(), above + 1)
  const issued = formatTime(new Date(number))
  const text =
    action === 'evict'
      ? composeEviction({ cluster, node, force: force ? 'yes' : 'no', issued })
      : composeHold({ cluster, node, action, number, issued })
  return { text, signature: signText(text, privateKey) }
}

function send(
  world: World,
  reached: Reached,
  body: { readonly action: Action; readonly order: SignedText },
): Promise<unknown> {
  const question = { method: 'POST', ...reached.way('command'), body: JSON.stringify(body) } as const
  return askNode(world, { ...question, answer: z.json(), timeoutMs: 60_000 })
}
