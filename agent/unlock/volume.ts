import { ProgramError, type Run, type RunOptions } from '../system/run.ts'
import { pendingLabel } from '../disk/blank.ts'
import { readLuksHeader } from './header-read.ts'
import { inHeaderTurn } from './header-turn.ts'
import { putToken } from './header-write.ts'
import { type LuksHeader, tokenIds, type TokenType } from './luks-header.ts'
import { checkTokenSize } from './luks-schema.ts'

/** Of a keyslot's secret. */
export const secretBytes = 32

/** The device below, and the name above: /dev/mapper/<name>. */
export type Volume = { readonly device: string; readonly name: string }

export type LuksToken = {
  readonly type: TokenType
  readonly keyslots: readonly []
  readonly [key: string]: unknown
}

/** Few iterations: the secret is 256 random bits, not a password. */
export const pbkdf = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000']

// An emulated machine takes seconds for what hardware does in milliseconds.
export const slowMs = 120_000

/**
 * cryptsetup luksFormat, with the label `orama-pending` and a UUID chosen by the caller: whatever was on the
 * device is gone. Throws RangeError for a secret that is not 32 bytes, ProgramError when cryptsetup fails.
 */
export async function formatVolume(
  run: Run,
  format: { device: string; uuid: string; secret: Buffer },
): Promise<void> {
  const options = [
    '--type luks2 --batch-mode --label',
    pendingLabel,
    '--uuid',
    format.uuid,
    '--cipher aes-xts-plain64 --key-size 512 --hash sha256',
    ...pbkdf,
    '--luks2-metadata-size 1m --luks2-keyslots-size 16m',
  ].flatMap(words => words.split(' '))
  await withSecret(run, format.secret)(['luksFormat', ...options], [format.device])
}

export type Opening = Volume & {
  readonly headerFile: string
  readonly secret: Buffer
  /** The one keyslot that may open; undefined: any. */
  readonly keyslot?: number | undefined
}

/** cryptsetup open, with the header that was checked. Throws ProgramError with status 2 for a wrong secret. */
export async function openVolume(run: Run, opening: Opening): Promise<void> {
  const { device, name, secret } = opening
  await withSecret(run, secret)(['open', ...headerOptions(opening)], [device, name])
}

/** Does the secret open the header? Needs no device-mapper. Throws as openVolume does. */
export async function tryOpen(run: Run, opening: Omit<Opening, 'name'>): Promise<void> {
  const { device, secret } = opening
  await withSecret(run, secret)(['open', '--test-passphrase', ...headerOptions(opening)], [device])
}

function headerOptions({ headerFile, keyslot }: Pick<Opening, 'headerFile' | 'keyslot'>): string[] {
  const header = ['--type', 'luks2', '--header', headerFile, '--disable-external-tokens']
  return keyslot === undefined ? header : [...header, '--key-slot', String(keyslot)]
}

/** Was the secret wrong (and nothing else)? cryptsetup ends with status 2 then. */
export function isWrongSecret(error: unknown): boolean {
  return error instanceof ProgramError && error.status === 2
}

/**
 * Has cryptsetup write the volume key to a file, mode 0400, which must not be there: on the encrypted partition, where
 * it says nothing that an open disk does not. With it keyslots come and go without the secret of another.
 */
export async function saveVolumeKey(
  run: Run,
  of: { readonly device: string; readonly secret: Buffer; readonly file: string },
): Promise<void> {
  const options = ['--batch-mode', '--dump-volume-key', '--volume-key-file', of.file]
  await withSecret(run, of.secret)(['luksDump', ...options], [of.device])
}

/** Adds a keyslot for a secret. Throws ProgramError, also where that number is taken. */
export async function addKeyslot(
  run: Run,
  of: {
    readonly device: string
    readonly keyslot: number
    readonly secret: Buffer
    readonly volumeKeyFile: string
  },
): Promise<void> {
  if (of.secret.length !== secretBytes)
    throw new RangeError(`Cannot use secret: ${of.secret.length} bytes, need ${secretBytes}`)
  const options = ['--batch-mode', '--volume-key-file', of.volumeKeyFile, '--key-slot', String(of.keyslot)]
  const args = ['luksAddKey', ...options, ...pbkdf, '--hash', 'sha256', of.device, '-']
  await inHeaderTurn(of.device, () => run('cryptsetup', args, { input: of.secret, timeoutMs: slowMs }))
}

/**
 * Destroys a keyslot: its secret opens nothing any more. Throws Error while the volume is re-encrypted, when the data
 * needs both keys and cryptsetup would destroy either; SyntaxError for a header that does not tell.
 */
export async function killKeyslot(run: Run, device: string, keyslot: number): Promise<void> {
  const args = ['luksKillSlot', '--batch-mode', device, String(keyslot)]
  await inHeaderTurn(device, async () => {
    if (isMarked(await readLuksHeader(device)))
      throw new Error(`Cannot destroy keyslot ${keyslot}: the disk is being given a new key`)
    await run('cryptsetup', args, { timeoutMs: slowMs })
  })
}

/** cryptsetup close: takes the mapping away and its key out of the kernel. */
export async function closeVolume(run: Run, name: string): Promise<void> {
  await run('cryptsetup', ['close', name])
}

/**
 * Writes a token in one update of the header, in place of the one of its type where there is one; also while the volume
 * is re-encrypted, when cryptsetup would not. Throws RangeError for one that is too long to be read again.
 */
export async function writeToken(run: Run, device: string, token: LuksToken): Promise<void> {
  checkTokenSize(token)
  const id = String(tokenIds[token.type])
  const args = ['token', 'import', '--token-id', id, '--token-replace', '--disable-external-tokens', device]
  await inHeaderTurn(device, async () => {
    if (await isReencrypted(device)) await putToken(device, token)
    else await run('cryptsetup', args, { input: JSON.stringify(token), timeoutMs: slowMs })
  })
}

/** A header that cannot be read is cryptsetup's to refuse or to mend. */
async function isReencrypted(device: string): Promise<boolean> {
  const found = await readLuksHeader(device).catch(() => undefined)
  return found !== undefined && isMarked(found)
}

/** Before the mark the new key belongs to no data. */
function isMarked({ reencryption }: LuksHeader): boolean {
  return reencryption !== undefined && reencryption.kind !== 'begun'
}

/** Takes a token out of the header; an error where there is none. */
export async function removeToken(run: Run, device: string, type: TokenType): Promise<void> {
  const args = ['token', 'remove', '--token-id', String(tokenIds[type]), device]
  await inHeaderTurn(device, () => run('cryptsetup', args, { timeoutMs: slowMs }))
}

/** The secret goes by standard input, and exactly its bytes: a line feed would not end it. */
export function withSecret(run: Run, secret: Buffer, more: Omit<RunOptions, 'input'> = {}) {
  if (secret.length !== secretBytes)
    throw new RangeError(`Cannot use secret: ${secret.length} bytes, need ${secretBytes}`)
  const key = ['--key-file', '-', '--keyfile-size', String(secretBytes)]
  return ([action = '', ...options]: string[], operands: string[]) =>
    run('cryptsetup', [action, ...options, ...key, ...operands], {
      timeoutMs: slowMs,
      ...more,
      input: secret,
    })
}
