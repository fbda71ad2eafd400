import { appoint, operatorsMax, soleAuthority } from '../protocol/cluster/trust.ts'
import type { Operator, Trust } from '../protocol/cluster/trust.ts'
import type { SignedText } from '../protocol/fields.ts'
import { parseAddress, sameAddress } from '../protocol/wallet.ts'
import type { Address } from '../protocol/wallet.ts'
import type { Input } from './command.ts'
import { Failure } from './failure.ts'

/** A list of operators with what proves it; without it nobody was appointed yet. */
export type KnownList = { readonly trust: Trust; readonly signed?: SignedText | undefined }

/** Throws Failure 'impostor' unless the authority of this cluster signed the list, by whomever it comes. */
export function checkedList(
  signed: SignedText | undefined,
  of: Parameters<typeof soleAuthority>[0],
): KnownList {
  const alone = soleAuthority(of)
  if (signed === undefined) return { trust: alone }
  try {
    return { trust: appoint(alone, signed), signed }
  } catch (cause) {
    throw new Failure('impostor', 'Cannot accept the list of operators', {
      cause,
      hint: 'Nothing was signed',
    })
  }
}

/**
 * Two lists as one: the newer counts, and nobody is left out whom only the other names. So what follows it is taken by
 * nodes that know the one, and by those that know the other.
 */
export function together(one: Trust, other: Trust): Trust {
  const [newer, older] = other.number > one.number ? [other, one] : [one, other]
  const missing = older.operators.filter(({ address }) => operatorOf(newer.operators, address) === undefined)
  return { ...newer, operators: [...newer.operators, ...missing] }
}

/** The addresses of a command line, at least one. Throws Failure 'usage'. */
export function readAddresses({ words }: Input): readonly Address[] {
  if (words.length === 0)
    throw new Failure('usage', 'Whose address?', { hint: "'orama wallet address' prints that of a wallet" })
  try {
    return [...new Set(words.map(parseAddress))]
  } catch (cause) {
    throw new Failure('usage', 'Cannot read the addresses', { cause })
  }
}

/** Throws Failure 'usage' for the authority, and unless `again` for who was dismissed. */
export function appointing(
  { authority, operators }: Trust,
  addresses: readonly Address[],
  again: boolean,
): readonly Operator[] {
  const next = [...operators]
  for (const address of addresses) {
    if (sameAddress(address, authority))
      throw new Failure('usage', `Wallet ${address} is the authority: nobody has to appoint it`)
    const known = operatorOf(operators, address)
    if (known?.retired !== undefined && !again)
      throw new Failure('usage', `Wallet ${address} was dismissed at ${known.retired}`, {
        hint: 'With --again it counts anew, and with it all that it has signed since then',
      })
    if (known === undefined) next.push({ address })
    else next[operators.indexOf(known)] = { address }
  }
  if (next.length > operatorsMax)
    throw new Failure(
      'usage',
      `Cannot appoint so many: a cluster has room for ${operatorsMax}, the dismissed among them`,
    )
  return next
}

/** From `at` (RFC 3339) on, who was no operator any more stays as it is. Throws Failure 'usage' for who never was one. */
export function dismissing(
  { operators }: Trust,
  addresses: readonly Address[],
  at: string,
): readonly Operator[] {
  const next = [...operators]
  for (const address of addresses) {
    const known = operatorOf(operators, address)
    if (known === undefined)
      throw new Failure('usage', `Wallet ${address} is no operator of this cluster`, {
        hint: "'orama operator list' shows them",
      })
    if (known.retired === undefined) next[operators.indexOf(known)] = { address, retired: at }
  }
  return next
}

/** True when both name the same wallets, each until the same time. */
export function isSameList(one: readonly Operator[], other: readonly Operator[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ address, retired }) => {
      const found = operatorOf(other, address)
      return found !== undefined && found.retired === retired
    })
  )
}

function operatorOf(operators: readonly Operator[], address: Address): Operator | undefined {
  return operators.find(one => sameAddress(one.address, address))
}
