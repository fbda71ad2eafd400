import { join } from 'node:path'
import * as z from 'zod'
import { clusterId, signedTextSchema } from '../protocol/fields.ts'
import type { SignedText } from '../protocol/fields.ts'
import type { Input } from './command.ts'
import { configFolder, isAbsent, privateFolder, readSmallFile, replaceFile } from './files.ts'
import type { World } from './world.ts'

/** The last list of operators that was signed here: operators/<cluster>.json, mode 0600, written before it is sent. */
const fileSchema = z.strictObject({ v: z.literal(1), cluster: clusterId, appointment: signedTextSchema })

export function operatorsPath(world: World, input: Input, cluster: string): string {
  return join(configFolder(world, input), 'operators', `${cluster}.json`)
}

/** Undefined where none was signed here. Throws SyntaxError for a damaged file: a number must not be used twice. */
export async function loadSignedList(path: string, cluster: string): Promise<SignedText | undefined> {
  if (await isAbsent(path)) return undefined
  try {
    const file = fileSchema.parse(JSON.parse(await readSmallFile(path)))
    if (file.cluster !== cluster) throw new RangeError('it is of another cluster')
    return file.appointment
  } catch (cause) {
    throw new SyntaxError(`Cannot read list of operators '${path}'`, { cause })
  }
}

export async function saveSignedList(path: string, cluster: string, appointment: SignedText): Promise<void> {
  await privateFolder(join(path, '..'))
  const file = fileSchema.parse({ v: 1, cluster, appointment })
  await replaceFile(path, `${JSON.stringify(file, null, 2)}\n`)
}
