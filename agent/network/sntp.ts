/** What one server said: how far this machine's clock is behind (positive) or ahead, in milliseconds. */
export type SntpAnswer = { readonly offsetMs: number; readonly delayMs: number; readonly stratum: number }

/** `sentMs` and `receivedMs` by the clock to be set, so that the offset refers to it. */
export type SntpExchange = {
  readonly nonce: Uint8Array
  readonly sentMs: number
  readonly receivedMs: number
}

const size = 48
const client = 3
const server = 4
const version = 4
/** Seconds from 1900, where NTP starts, to 1970. */
const epochS = 2_208_988_800
const eraS = 2 ** 32
/** A server that is further than this from its own source knows the time too badly. */
const rootDistanceMaxS = 1.5

/**
 * A question (RFC 5905 section 14). It says nothing about this machine: the transmit time is 8 random bytes, which
 * the server repeats, so that only who saw the question can answer it.
 */
export function encodeSntpRequest(nonce: Uint8Array): Buffer {
  if (nonce.length !== 8) throw new RangeError(`Cannot use nonce: ${nonce.length} bytes, need 8`)
  const message = Buffer.alloc(size)
  message[0] = (version << 3) | client
  message.set(nonce, 40)
  return message
}

/** Reads an answer. Throws SyntaxError for one that is not ours, says it is not synchronised, or sends us away. */
export function parseSntpReply(bytes: Uint8Array, exchange: SntpExchange): SntpAnswer {
  if (bytes.length < size || bytes.length > 1024) fail(`${bytes.length} bytes`)
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const head = message.readUInt8(0)
  const stratum = message.readUInt8(1)
  if ((head & 7) !== server) fail('not from a server')
  if (((head >> 3) & 7) < 3) fail('an old version')
  if (!message.subarray(24, 32).equals(exchange.nonce)) fail('not an answer to our question')
  if (head >> 6 === 3 || stratum === 0) fail('the server has no time')
  if (stratum > 15) fail(`stratum ${stratum}`)
  const rootDistanceS = message.readInt32BE(4) / 65_536 / 2 + message.readUInt32BE(8) / 65_536
  if (rootDistanceS < 0 || rootDistanceS > rootDistanceMaxS) fail('the server is too far from its source')
  return measure(message, exchange, stratum)
}

function measure(message: Buffer, { sentMs, receivedMs }: SntpExchange, stratum: number): SntpAnswer {
  const arrivedMs = timestampMs(message, 32)
  const leftMs = timestampMs(message, 40)
  if (leftMs < arrivedMs) fail('the server answered before it was asked')
  const offsetMs = (arrivedMs - sentMs + (leftMs - receivedMs)) / 2
  return { offsetMs, delayMs: receivedMs - sentMs - (leftMs - arrivedMs), stratum }
}

/** Unix milliseconds. The 32 bits of seconds wrap in 2036: what lies before 1968 is of the next era. */
function timestampMs(message: Buffer, at: number): number {
  const seconds = message.readUInt32BE(at)
  if (seconds === 0) fail('no time in it')
  const era = seconds < 2 ** 31 ? eraS : 0
  return (seconds + era - epochS) * 1000 + (message.readUInt32BE(at + 4) / 2 ** 32) * 1000
}

function fail(why: string): never {
  throw new SyntaxError(`Cannot use SNTP answer: ${why}`)
}
