import type { Admission } from '../../protocol/cluster/admission.ts'
import type { News } from '../../protocol/cluster/news.ts'
import { type Completion, completionSchema, type EnrollmentConfig } from '../../protocol/completion.ts'
import { secretBuffer } from '../../protocol/secret.ts'
import { sealCompletion, type SealedCompletion } from '../../protocol/seal.ts'

export type ConfigurationOf = {
  readonly cluster: string
  readonly clusterSecret: Uint8Array
  readonly gatewayPrivate: Uint8Array
  readonly prefix: number
  readonly known: News
}

export type SealedJoin = Pick<SealedCompletion, 'openReply'> & { readonly completion: Completion }

const listenPort = 51_820

/** Seals to a node that was admitted what it has to know of its cluster, and passes its claim word on unopened. */
export function sealConfiguration(admission: Admission, of: ConfigurationOf): SealedJoin {
  const { hello, grant, claim } = admission
  const plaintext = configurationText(admission, of)
  try {
    const { gatewayPrivate } = of
    const { ephemeral, box, openReply } = sealCompletion({
      hello,
      grantText: grant.text,
      gatewayPrivate,
      plaintext,
    })
    const completion = { v: 1, grant, ephemeral, box, ...(claim === undefined ? {} : { claim }) }
    return { completion: completionSchema.parse(completion), openReply }
  } finally {
    plaintext.fill(0)
  }
}

const place = '<cluster secret>'

/** JSON of an EnrollmentConfig as bytes: no string holds the secret. */
function configurationText({ address, invite }: Admission, of: ConfigurationOf): Buffer {
  const { cluster, prefix, known } = of
  const config: EnrollmentConfig = {
    v: 1,
    clusterSecret: place,
    cluster,
    wireguard: { address, prefix, listenPort, peers: [] },
    join: { invite, ...known },
  }
  // The first: what comes after it is a stranger's in part.
  const text = JSON.stringify(config)
  const at = text.indexOf(place)
  const secret = base64urlBytes(of.clusterSecret)
  const parts = [Buffer.from(text.slice(0, at)), secret, Buffer.from(text.slice(at + place.length))]
  try {
    return Buffer.concat(parts)
  } finally {
    secret.fill(0)
  }
}

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')

function base64urlBytes(bytes: Uint8Array): Buffer {
  const digits = Math.ceil((bytes.length * 4) / 3)
  const text = secretBuffer(digits)
  for (let at = 0; at < digits; at++) {
    const bit = at * 6
    const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0)
    text[at] = alphabet[(pair >> (10 - (bit & 7))) & 63] ?? 0
  }
  return text
}
