/** An IPv4 address as a number, or undefined where the text is not four plain decimal octets. */
export function parseIpv4(text: string): number | undefined {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1)
  // No leading zeros: half of the world's parsers read them as octal.
  if (octets?.every(o => Number(o) <= 255 && String(Number(o)) === o) !== true) return undefined
  return octets.reduce((sum, o) => sum * 256 + Number(o), 0)
}

/** The dotted text of a 32-bit number. */
export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map(shift => (value >>> shift) & 255).join('.')
}

/** True for an address that one host can have: not 0/8, loopback, multicast, reserved or broadcast. */
export function isHostAddress(text: string): boolean {
  const value = parseIpv4(text)
  if (value === undefined) return false
  const first = value >>> 24
  return first > 0 && first < 224 && first !== 127
}

/** The prefix length of a mask such as 255.255.255.0, or undefined where its bits are not in one row. */
export function prefixOfMask(mask: number): number | undefined {
  const hosts = ~mask >>> 0
  if ((hosts & (hosts + 1)) !== 0) return undefined
  return Math.clz32(hosts)
}

/** The network of an address: `networkOf('10.0.0.7', 24)` is '10.0.0.0/24'. Throws RangeError on bad input. */
export function networkOf(address: string, prefix: number): string {
  const value = parseIpv4(address)
  if (value === undefined || !Number.isInteger(prefix) || prefix < 1 || prefix > 32)
    throw new RangeError(`Cannot use network '${address}/${prefix}'`)
  return `${formatIpv4((value & (0xffffffff << (32 - prefix))) >>> 0)}/${prefix}`
}
