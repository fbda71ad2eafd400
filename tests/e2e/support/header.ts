import { randomBytes, randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import { readExactly } from '../../../agent/disk/disk.ts'
import {
  copyBytes,
  copyOffsets,
  dataOffset,
  parseLuksCopy,
  serialiseLuksCopy,
} from '../../../agent/disk/luks2.ts'
import { run } from '../../../agent/system/run.ts'
import { checkLuksHeader, type LuksHeader } from '../../../agent/unlock/luks-header.ts'
import { escrowToken, nodeToken, readEscrowToken, readNodeToken } from '../../../agent/unlock/tokens.ts'
import { formatVolume, writeToken } from '../../../agent/unlock/volume.ts'
import { toBase64url } from '../../../protocol/fields.ts'
import type { NodeRecord } from '../../../protocol/record.ts'
import { addressOf, publicKeyOf } from '../../../protocol/wallet.ts'
import type { Disk } from '../../../qemu/disk.ts'
import { blankFile, withMetadata } from '../../agent/unlock/luks-samples.ts'
import { partitionOf, readAt, writeAt } from './raw-disk.ts'

/** All that lies before the encrypted data: both copies of the metadata, and the keyslots. */
export type Header = Buffer

export async function takeHeader(disk: Disk): Promise<Header> {
  const { offset } = await partitionOf(disk, 'data')
  return readAt(disk, { offset, bytes: dataOffset })
}

export async function putHeader(disk: Disk, header: Header): Promise<void> {
  const { offset } = await partitionOf(disk, 'data')
  await writeAt(disk, offset, header)
}

/** The header as the agent reads it. Throws as the agent does for one that is not to be trusted. */
export function parseHeader(header: Header): LuksHeader {
  return checkLuksHeader({ primary: copyOf(header, 'primary'), secondary: copyOf(header, 'secondary') })
}

function copyOf(header: Header, name: keyof typeof copyOffsets) {
  return parseLuksCopy(header.subarray(copyOffsets[name], copyOffsets[name] + copyBytes), name)
}

/** Another header with both copies changed alike, under good checksums. */
export function editHeader(header: Header, edit: Parameters<typeof withMetadata>[1]): Header {
  const edited = Buffer.from(header)
  for (const name of ['primary', 'secondary'] as const)
    serialiseLuksCopy(withMetadata(copyOf(header, name), edit)).copy(edited, copyOffsets[name])
  return edited
}

/** Another header whose token `orama-node` tells something else, under its old MAC. */
export function editRecord(header: Header, change: Partial<NodeRecord>): Header {
  return editHeader(header, metadata => Object.assign(metadata['tokens']?.['0']?.['record'] ?? {}, change))
}

/** Another owner, whose private key is known to whoever wrote him into the header. */
export function ownerOf(privateKey: Uint8Array): Pick<NodeRecord, 'owner' | 'ownerPublicKey'> {
  const publicKey = publicKeyOf(privateKey)
  return { owner: addressOf(publicKey), ownerPublicKey: toBase64url(publicKey) }
}

/** The cipher that encrypts nothing, for all that is written from now on. */
export function withNullCipher(header: Header): Header {
  const nothing = { encryption: 'cipher_null-ecb' }
  return editHeader(header, ({ segments }) => Object.assign(segments?.['0'] ?? {}, nothing))
}

/** The mark of a reencryption that was cut off, and that whoever opens the volume next has to go on with. */
export function inReencryption(header: Header): Header {
  const requirements = { mandatory: ['online-reencrypt-v2'] }
  return editHeader(header, ({ config }) => Object.assign(config ?? {}, { requirements }))
}

/** A header of the same form with a secret, a UUID and tokens of its own: that of another node of the same owner. */
export async function headerOfAnother(header: Header, folder: string): Promise<Header> {
  const [device, uuid, like] = [await blankFile(folder, 'another.img'), randomUUID(), parseHeader(header)]
  await formatVolume(run, { device, uuid, secret: randomBytes(32) })
  const escrow = readEscrowToken(like)
  if (escrow === undefined) throw new Error('Cannot make a header like one without an escrow')
  const { record, mac } = readNodeToken(like)
  await writeToken(run, device, escrowToken({ ...escrow, luksUuid: uuid }))
  await writeToken(run, device, nodeToken({ record: { ...record, luksUuid: uuid }, mac }))
  await using file = await open(device, 'r')
  return await readExactly(file, 0, dataOffset)
}
