import { normalizeTyped } from '../protocol/claim.ts'
import { claimWordText } from '../protocol/fields.ts'
import { waitingHelloSchema } from '../protocol/cluster/joining.ts'
import { checkHelloTime, enrollmentCode, helloPageSchema } from '../protocol/hello.ts'
import type { Hello } from '../protocol/hello.ts'
import { askNode } from './agent.ts'
import { isSet, optional } from './command.ts'
import type { Input } from './command.ts'
import { Failure } from './failure.ts'
import { askGateway } from './gateway.ts'
import type { Place } from './gateway.ts'
import type { World } from './world.ts'

/** A node's hello whose code the operator compared, and the claim word where there is one. */
export type Greeting = { readonly hello: Hello; readonly code: string; readonly claim?: string }

/**
 * Takes the hello from a node in enrollment mode and compares its code, recomputed here, with what the operator
 * read on the console. Throws Failure 'impostor' when they differ.
 */
export async function fetchHello(world: World, from: { input: Input; url: string }): Promise<Greeting> {
  const page = await askNode(world, { method: 'GET', url: from.url, answer: helloPageSchema })
  const { hello } = page
  const code = await checkHello(hello, world.now())
  if (normalizeTyped(page.code) !== code)
    throw new Failure('impostor', 'The code on the page is not that of its keys')
  if (isSet(from.input, 'trust-network')) {
    world.err(`Trusting the network: nobody compared code ${code} with the console\n`)
    return { hello, code }
  }
  await compareCode(world, from.input, code)
  return withClaim(world, from.input, { hello, code })
}

/**
 * Takes the hello from a gateway at which the node waits, by the code that the operator read on the console (eight
 * characters, normalized), and recomputes that. Throws Failure 'impostor' for the hello of another code.
 */
export async function fetchWaitingHello(
  world: World,
  from: { input: Input; place: Place; code: string },
): Promise<Greeting> {
  const question = {
    method: 'GET',
    path: `/v1/node/hello?code=${from.code}`,
    answer: waitingHelloSchema,
  } as const
  const { hello } = await askGateway(world, from.place, question)
  const code = await checkHello(hello, world.now())
  if (code !== from.code)
    throw new Failure('impostor', 'The gateway showed a node of another code', {
      hint: 'Nothing was sent to it',
    })
  return withClaim(world, from.input, { hello, code })
}

async function withClaim(world: World, input: Input, greeting: Greeting): Promise<Greeting> {
  const claim = await readClaim(world, input)
  return claim === undefined ? greeting : { ...greeting, claim }
}

async function checkHello(hello: Hello, now: Date): Promise<string> {
  try {
    checkHelloTime(hello, now)
  } catch (cause) {
    throw new Failure('impostor', "Cannot accept the node's hello", {
      cause,
      hint: "Check this machine's clock",
    })
  }
  return enrollmentCode(hello)
}

async function compareCode(world: World, input: Input, code: string): Promise<void> {
  const typed =
    optional(input, 'code') ?? (await ask(world, 'Enrollment code on the console: ', '--code CODE'))
  if (normalizeTyped(typed) === code) return
  throw new Failure('impostor', 'This is not the code of the node that answered', {
    hint: 'Read the console again: the code changes every 15 minutes. If it still differs, somebody is in between.',
  })
}

async function readClaim(world: World, input: Input): Promise<string | undefined> {
  const prompt = 'Claim word on the console (empty if the operator file names you): '
  const typed = optional(input, 'claim') ?? (world.isTerminal ? await ask(world, prompt, '--claim WORD') : '')
  const claim = normalizeTyped(typed)
  if (claim === '') return undefined
  if (claimWordText.safeParse(claim).success) return claim
  throw new Failure('usage', 'Cannot use claim word: it has six letters and digits')
}

async function ask(world: World, prompt: string, option: string): Promise<string> {
  if (!world.isTerminal)
    throw new Failure('usage', `Cannot ask '${prompt.trim()}': there is no terminal`, {
      hint: `Give ${option}`,
    })
  return (await world.ask(prompt)).toString()
}
