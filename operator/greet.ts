import { normalizeTyped } from '../protocol/claim.ts'
import { claimWordText } from '../protocol/fields.ts'
import { checkHelloTime, enrollmentCode, helloPageSchema } from '../protocol/hello.ts'
import type { Hello, HelloPage } from '../protocol/hello.ts'
import { askNode } from './agent.ts'
import { isSet, optional } from './command.ts'
import type { Input } from './command.ts'
import { Failure } from './failure.ts'
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
  const code = await checkPage(page, world.now())
  if (isSet(from.input, 'trust-network')) {
    world.err(`Trusting the network: nobody compared code ${code} with the console\n`)
    return { hello, code }
  }
  await compareCode(world, from.input, code)
  const claim = await readClaim(world, from.input)
  return claim === undefined ? { hello, code } : { hello, code, claim }
}

async function checkPage(page: HelloPage, now: Date): Promise<string> {
  try {
    checkHelloTime(page.hello, now)
  } catch (cause) {
    throw new Failure('impostor', "Cannot accept the node's hello", {
      cause,
      hint: "Check this machine's clock",
    })
  }
  const code = await enrollmentCode(page.hello)
  if (normalizeTyped(page.code) !== code)
    throw new Failure('impostor', 'The code on the page is not that of its keys')
  return code
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
