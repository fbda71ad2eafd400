import * as z from 'zod'
import { composeAppointment } from '../protocol/cluster/trust.ts'
import type { Operator, Trust } from '../protocol/cluster/trust.ts'
import { formatTime } from '../protocol/fields.ts'
import type { SignedText } from '../protocol/fields.ts'
import { operatorsAction, operatorsAnswerSchema } from '../protocol/requests.ts'
import { sameAddress, signText } from '../protocol/wallet.ts'
import { askNode } from './agent.ts'
import { findPlace } from './cluster-place.ts'
import type { ClusterPlace, Visit } from './cluster-place.ts'
import { isSet } from './command.ts'
import type { Command, Input, Output } from './command.ts'
import { Failure } from './failure.ts'
import { withLock } from './lock.ts'
import { appointing, checkedList, dismissing, isSameList, readAddresses, together } from './operator-list.ts'
import type { KnownList } from './operator-list.ts'
import { loadSignedList, operatorsPath, saveSignedList } from './operators-file.ts'
import { reachOptions } from './reach.ts'
import type { Reached } from './reach.ts'
import { table } from './table.ts'
import { withWallet } from './wallet.ts'
import type { Wallet } from './wallet.ts'
import type { World } from './world.ts'

export const operatorAppoint: Command = {
  help: "let wallets invite, hold and evict nodes of a cluster; the wallet of the cluster's authority signs",
  words: ['ADDRESS…'],
  options: { ...reachOptions, again: { help: 'also one that was dismissed' } },
  examples: [
    'orama operator appoint 0x52908400098527886E0F7030069857D2E4169EE7 --env home',
    'orama operator appoint 0x52908400098527886E0F7030069857D2E4169EE7 --node-ip 10.0.0.1',
  ],
  run: (world, input) =>
    changeList(world, input, {
      change: (known, addresses) => appointing(known, addresses, isSet(input, 'again')),
      done: 'may invite, hold and evict',
    }),
}

export const operatorDismiss: Command = {
  help: 'let what wallets sign from now on count no more; whom they invited before stays',
  words: ['ADDRESS…'],
  options: reachOptions,
  examples: ['orama operator dismiss 0x52908400098527886E0F7030069857D2E4169EE7 --env home'],
  run: (world, input) =>
    changeList(world, input, {
      change: (known, addresses) => dismissing(known, addresses, formatTime(world.now())),
      done: 'operates no more; its open invites stay good until they are revoked',
    }),
}

export const operatorList: Command = {
  help: 'list the operators of a cluster, as its authority signed them',
  options: reachOptions,
  examples: ['orama operator list --env home', 'orama operator list --node-ip 10.0.0.1 --json'],
  async run(world, input) {
    const place = await findPlace(world, input)
    const { trust } = await place.within(undefined, visit => visit(reached => askList(world, reached, place)))
    sayIfBehind(world, trust, await signedHere(world, place))
    const { cluster, authority, number, operators } = trust
    const rows = operators.map(({ address, retired }) => [
      address,
      retired === undefined ? 'operator' : `dismissed at ${retired}`,
    ])
    const text = table(['address', 'as'], [[authority, 'authority'], ...rows])
    return { json: { cluster, authority, number, operators }, text }
  },
}

type Change = {
  readonly change: (known: Trust, addresses: readonly string[]) => readonly Operator[]
  readonly done: string
}

/** Has the authority's wallet sign the next list, and a node of the cluster take it. */
async function changeList(world: World, input: Input, { change, done }: Change): Promise<Output> {
  const addresses = readAddresses(input)
  const place = await findPlace(world, input)
  return withWallet(world, place.input, wallet => {
    refuseOthers(wallet, place)
    return place.within(wallet, async visit => {
      const known = await visit(reached => askList(world, reached, place))
      const next = await nextList(world, { place, wallet, known, change: base => change(base, addresses) })
      const { signed, trust } = next
      const { number, operators } = trust
      const isKnown = signed === undefined || signed === known.signed
      const taker = isKnown ? undefined : await deliver(world, visit, signed)
      const news =
        taker === undefined ? 'That is so already' : `Node ${taker} has taken it; the cluster hears of it`
      const text = `${addresses.join(', ')}: ${done}.\n${news} (list ${number}).`
      return { json: { number, operators, ...(taker !== undefined && { taker }) }, text }
    })
  })
}

/** Before anything is asked or signed. */
function refuseOthers({ address }: Wallet, { authority }: ClusterPlace): void {
  if (sameAddress(address, authority)) return
  throw new Failure(
    'usage',
    `Only the authority of the cluster, ${authority}, appoints; this is ${address}`,
    {
      hint: 'Nothing was sent; --wallet FILE names another wallet',
    },
  )
}

/** The list as a node has it. It is not believed: the authority signed it, or nobody was appointed yet. */
async function askList(world: World, reached: Reached, place: ClusterPlace): Promise<KnownList> {
  const body = JSON.stringify({ action: operatorsAction })
  const question = { method: 'POST', ...reached.way('command'), body } as const
  const { appointment } = await askNode(world, { ...question, answer: operatorsAnswerSchema })
  return checkedList(appointment, place)
}

async function signedHere(world: World, place: ClusterPlace): Promise<KnownList> {
  const { cluster, input } = place
  return checkedList(await loadSignedList(operatorsPath(world, input, cluster), cluster), place)
}

/** Somebody may keep the newest list back; or the last one that was signed here was never taken. */
function sayIfBehind(world: World, { number }: Trust, { trust: here }: KnownList): void {
  if (here.number > number)
    world.err(`List ${here.number} was signed here, and the node that answered knows list ${number}\n`)
}

type Next = {
  readonly place: ClusterPlace
  readonly wallet: Wallet
  readonly known: KnownList
  readonly change: (base: Trust) => readonly Operator[]
}

/**
 * The list to send: one that says already what is wanted, or the next, signed and saved before anybody hears of it, so
 * that no two lists of this machine ever have one number.
 */
function nextList(world: World, { place, wallet, known, change }: Next): Promise<KnownList> {
  const { cluster, input } = place
  const path = operatorsPath(world, input, cluster)
  return withLock(world, `${path}.lock`, async () => {
    const here = await signedHere(world, place)
    sayIfBehind(world, known.trust, here)
    const base = together(known.trust, here.trust)
    const operators = change(base)
    for (const one of [known, here])
      if (one.trust.number === base.number && isSameList(one.trust.operators, operators)) return one
    const number = base.number + 1
    const text = composeAppointment({ cluster, number, operators, issued: formatTime(world.now()) })
    world.err(`Signing:\n${text.replace(/^/gm, '  ')}\n`)
    const signed = { text, signature: signText(text, wallet.privateKey) }
    await saveSignedList(path, cluster, signed)
    return { trust: { ...base, number, operators }, signed }
  })
}

/** Returns the node that has taken the list. Throws Failure. */
async function deliver(world: World, visit: Visit, order: SignedText): Promise<string> {
  const body = JSON.stringify({ action: 'appoint', order })
  return visit(async reached => {
    const question = { method: 'POST', ...reached.way('command'), body } as const
    await askNode(world, { ...question, answer: z.json(), timeoutMs: 60_000 })
    return reached.name
  })
}
