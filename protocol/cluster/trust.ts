import * as z from 'zod'
import { clusterId, counter, type SignedText, time } from '../fields.ts'
import { composeLines, parseLines } from '../lines.ts'
import { type Address, addressSchema, recoverSigner, sameAddress } from '../wallet.ts'

/** A wallet that may invite, hold and evict. What it signs after its retirement counts no more. */
export type Operator = { readonly address: Address; readonly retired?: string | undefined }

/** Whose signatures count in a cluster: the authority (the owner of its genesis), and whom it appointed. */
export type Trust = {
  readonly cluster: string
  readonly authority: Address
  /** Of the newest appointment that is known; 0 for none. */
  readonly number: number
  readonly operators: readonly Operator[]
}

/** A cluster with nobody appointed yet. */
export function soleAuthority(of: { readonly cluster: string; readonly authority: Address }): Trust {
  return { cluster: of.cluster, authority: of.authority, number: 0, operators: [] }
}

/** True when this wallet could vouch, appoint to an eviction or order at this time. */
export function mayVouch(trust: Trust, signer: Address, at: string): boolean {
  if (sameAddress(signer, trust.authority)) return true
  const operator = trust.operators.find(one => sameAddress(one.address, signer))
  return operator !== undefined && (operator.retired === undefined || at < operator.retired)
}

/** Of a cluster, who were dismissed among them: they stay on the list, for whom they invited. */
export const operatorsMax = 16

/** What the authority signs to appoint operators: the whole list, each time with a higher number. */
export const appointmentSchema = z.strictObject({
  cluster: clusterId,
  number: counter.min(1),
  operators: z
    .array(z.strictObject({ address: addressSchema, retired: time.optional() }))
    .max(operatorsMax)
    .readonly()
    .refine(list => new Set(list.map(one => one.address)).size === list.length, 'one operator twice'),
  issued: time,
})
export type Appointment = z.infer<typeof appointmentSchema>

const form = { first: 'OramaOS operators v1', names: ['cluster', 'number', 'operators', 'issued'] } as const
const nobody = 'none'

/** The text of an appointment, as the authority's wallet signs it: `operators: <address>[@<retired>],…` or `none`. */
export function composeAppointment(appointment: Appointment): string {
  const { operators, number, ...rest } = appointmentSchema.parse(appointment)
  const list = operators.map(one =>
    one.retired === undefined ? one.address : `${one.address}@${one.retired}`,
  )
  return composeLines(form, { ...rest, number: String(number), operators: list.join(',') || nobody })
}

/** Reads the text of an appointment. Throws SyntaxError unless `composeAppointment` would write exactly the same. */
export function parseAppointment(text: string): Appointment {
  if (text.length > 4096) throw new SyntaxError('Cannot read appointment: it is too long')
  const { number, operators = '', ...rest } = parseLines(form, text)
  const list = operators === nobody ? [] : operators.split(',').map(readOperator)
  const parsed = appointmentSchema.safeParse({ ...rest, number: Number(number), operators: list })
  if (!parsed.success) throw new SyntaxError(`Cannot read appointment: ${z.prettifyError(parsed.error)}`)
  if (composeAppointment(parsed.data) !== text)
    throw new SyntaxError('Cannot read appointment: not in its one spelling')
  return parsed.data
}

/**
 * The trust after an appointment. One that is older than what is known changes nothing; nor may an operator vanish
 * from the list: whom it invited would be strangers. Throws SyntaxError or RangeError with the reason.
 */
export function appoint(trust: Trust, signed: SignedText): Trust {
  const appointment = parseAppointment(signed.text)
  if (appointment.cluster !== trust.cluster)
    throw new RangeError('Cannot accept appointment: it is for another cluster')
  const { address } = recoverSigner(signed.text, signed.signature)
  if (!sameAddress(address, trust.authority))
    throw new RangeError(
      `Cannot accept appointment: signed by ${address}, the authority is ${trust.authority}`,
    )
  if (appointment.number <= trust.number) return trust
  const { number, operators } = appointment
  const missing = trust.operators.find(old => !operators.some(one => sameAddress(one.address, old.address)))
  if (missing !== undefined)
    throw new RangeError(
      `Cannot accept appointment: ${missing.address} is missing; operators retire, they do not vanish`,
    )
  return { ...trust, number, operators }
}

function readOperator(text: string): Operator {
  const [address = '', retired, ...rest] = text.split('@')
  if (rest.length > 0) throw new SyntaxError('Cannot read appointment: an operator has two times')
  return retired === undefined ? { address } : { address, retired }
}
