import * as z from 'zod'
import { ipv4 } from './fields.ts'
import { parseAddress } from './wallet.ts'

const bytesMax = 16 * 1024

const hostName = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/i, 'not a host name')
const host = z.union([ipv4, hostName], { error: 'not a host name or IPv4 address' })
const cidr = z.string().refine(isCidr, 'not an address with prefix such as 192.0.2.7/24')
const interfaceName = z.string().regex(/^[A-Za-z0-9_.-]{1,15}$/)
const macAddress = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i)

/** EFI/orama/node.json on the ESP: written by the operator before flashing. Never secret. */
export const operatorFileSchema = z.strictObject({
  v: z.literal(1),
  /** Only grants of this wallet enroll the node. */
  owner: z.string().max(64).transform(readAddress).optional(),
  gateway: z.string().max(512).refine(isHttpsUrl, 'not an https:// address without credentials').optional(),
  network: z
    .strictObject({
      address: cidr,
      gateway: ipv4,
      dns: z.array(ipv4).max(4).default([]),
      interface: z
        .union([interfaceName, macAddress], { error: 'not an interface name or MAC address' })
        .optional(),
    })
    .optional(),
  ntp: z.array(host).max(8).optional(),
  hints: z.array(z.string().refine(isHint, 'not host:port')).max(32).optional(),
})
export type OperatorFile = z.infer<typeof operatorFileSchema>

/** Reads the file, at most 16 KiB. Throws SyntaxError whose message names each bad key. */
export function parseOperatorFile(text: string): OperatorFile {
  if (Buffer.byteLength(text) > bytesMax) throw new SyntaxError('Cannot read operator file: more than 16 KiB')
  const parsed = operatorFileSchema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  throw new SyntaxError(`Cannot read operator file: ${parsed.error.issues.map(explain).join('; ')}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new SyntaxError('Cannot read operator file: not JSON', { cause })
  }
}

function explain(issue: z.core.$ZodIssue): string {
  return `${issue.path.length === 0 ? 'file' : issue.path.join('.')}: ${issue.message}`
}

function readAddress(text: string, context: z.RefinementCtx): string {
  try {
    return parseAddress(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'not an address' })
    return z.NEVER
  }
}

function isHttpsUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url?.protocol === 'https:' && url.username === '' && url.password === '' && url.hash === ''
}

function isCidr(text: string): boolean {
  const [address = '', prefix = '', ...rest] = text.split('/')
  return rest.length === 0 && ipv4.safeParse(address).success && /^([1-9]|[12]\d|3[0-2])$/.test(prefix)
}

function isHint(text: string): boolean {
  const [name = '', port = '', ...rest] = text.split(':')
  return (
    rest.length === 0 && host.safeParse(name).success && /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535
  )
}
