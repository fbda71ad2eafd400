import { randomFillSync } from 'node:crypto'
import { dirname, join } from 'node:path'
import { lend, secretBuffer } from '../protocol/secret.ts'
import { addressOf, publicKeyOf } from '../protocol/wallet.ts'
import type { Address } from '../protocol/wallet.ts'
import { integer, optional } from './command.ts'
import type { Command, Input, Options } from './command.ts'
import { Failure } from './failure.ts'
import { configFolder, createFile, privateFolder, readSmallFile, refuseExisting } from './files.ts'
import { makeKeystore, openKeystore, parseKeystore, standardCost } from './keystore.ts'
import { waiting } from './waiting.ts'
import type { World } from './world.ts'

/** Options of every command that signs. */
export const walletOptions: Options = {
  wallet: {
    help: 'keystore file, version 3 (default: $ORAMA_WALLET, else wallet.json in the configuration folder)',
    value: 'FILE',
  },
  'passphrase-fd': { help: 'read the passphrase from this file descriptor, not the terminal', value: 'N' },
}

const examples = [
  'orama wallet new',
  'orama wallet address --wallet ~/.ethereum/keystore/UTC--2026-11-21--0a1b',
  'orama wallet new --passphrase-fd 3 3</run/secrets/passphrase',
]

export const walletNew: Command = {
  help: 'make a wallet: the key that owns nodes',
  options: walletOptions,
  examples,
  async run(world, input) {
    const path = walletPath(world, input)
    await refuseExisting(path)
    const passphrase = await newPassphrase(world, input)
    world.err('Making the wallet: this takes about a second on purpose\n')
    const address = await lend(passphrase, bytes => createWallet(path, bytes))
    const text = `Wallet ${address} is in ${path}\nBack up this file and its passphrase: without them its nodes stay locked.`
    return { json: { address, path }, text }
  },
}

export const walletAddress: Command = {
  help: 'print the address of a wallet, after checking its passphrase',
  options: walletOptions,
  examples,
  async run(world, input) {
    const address = await withWallet(world, input, wallet => wallet.address)
    return { json: { address }, text: address }
  },
}

export type Wallet = { readonly address: Address; readonly privateKey: Uint8Array }

/** Asks for the passphrase, opens the wallet, lends it to a block and wipes the key. */
export async function withWallet<T>(
  world: World,
  input: Input,
  use: (wallet: Wallet) => T | Promise<T>,
): Promise<T> {
  const path = walletPath(world, input)
  const text = await readSmallFile(path, "'orama wallet new' makes a wallet; --wallet FILE names another")
  const keystore = parseKeystore(text)
  const passphrase = await readPassphrase(world, input, `Passphrase of ${path}: `)
  const privateKey = await lend(passphrase, bytes =>
    waiting(world, 'Opening the wallet, which is slow on purpose', () => openKeystore(keystore, bytes)),
  )
  return lend(privateKey, key => use({ address: addressOf(publicKeyOf(key)), privateKey: key }))
}

async function createWallet(path: string, passphrase: Uint8Array): Promise<Address> {
  await privateFolder(dirname(path))
  const key = secretBuffer(32)
  return lend(key, async () => {
    randomFillSync(key)
    await createFile(path, await makeKeystore(key, passphrase, standardCost))
    return addressOf(publicKeyOf(key))
  })
}

function walletPath(world: World, input: Input): string {
  return (
    optional(input, 'wallet') ?? world.env['ORAMA_WALLET'] ?? join(configFolder(world, input), 'wallet.json')
  )
}

async function newPassphrase(world: World, input: Input): Promise<Buffer> {
  const passphrase = await readPassphrase(world, input, 'New passphrase: ')
  if (passphrase.length < 8)
    throw new Failure('usage', 'Cannot use passphrase: it has less than 8 characters')
  if (optional(input, 'passphrase-fd') !== undefined) return passphrase
  const again = await world.ask('The same again: ', { hidden: true })
  const isSame = passphrase.equals(again)
  again.fill(0)
  if (!isSame) throw new Failure('usage', 'Cannot make wallet: the two passphrases differ')
  return passphrase
}

async function readPassphrase(world: World, input: Input, prompt: string): Promise<Buffer> {
  if (optional(input, 'passphrase-fd') === undefined) return askHidden(world, prompt)
  const bytes = await world.readFd(integer(input, 'passphrase-fd', { min: 0, max: 1024, fallback: 0 }))
  const end = bytes.findIndex(byte => byte === 10 || byte === 13)
  return end === -1 ? bytes : bytes.subarray(0, end)
}

async function askHidden(world: World, prompt: string): Promise<Buffer> {
  if (world.isTerminal) return world.ask(prompt, { hidden: true })
  throw new Failure('usage', 'Cannot ask for the passphrase: there is no terminal', {
    hint: 'Give --passphrase-fd N',
  })
}
