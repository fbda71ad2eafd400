import { json } from 'node:stream/consumers'
import type { Asker } from './asker.ts'
import { collect } from './collect.ts'

/**
 * An unlock as a program of its own, as `clevis decrypt` is one: who asks and where comes on standard input, the secret
 * goes to standard output, in hex. Started by the bench alone, which trusts itself.
 */
export type OnceInput = Pick<Asker, 'record' | 'epoch'> & {
  readonly addresses: readonly (readonly [node: string, address: string])[]
  readonly port: number
}

const { addresses, port, ...asker } = (await json(process.stdin)) as OnceInput
const { secret } = await collect(asker, { addresses: new Map(addresses), port })
if (secret === undefined) throw new Error('Cannot unlock: too few shares')
process.stdout.write(secret.toString('hex'))
// What other guardians still answer is not waited for.
process.exit(0)
