import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openKeystore, parseKeystore } from '../../../operator/keystore.ts'
import { type GenesisFile, isGenesis, loadNodes } from '../../../operator/node-file.ts'
import { type Escrow, openEscrow } from '../../../protocol/escrow.ts'
import { passphrase, type Site } from './node.ts'

/** The private key of the site's wallet, as only its owner can have it. */
export async function walletKey(site: Site): Promise<Buffer> {
  const keystore = parseKeystore(await readFile(join(site.folder, 'operator/wallet.json'), 'utf8'))
  return openKeystore(keystore, Buffer.from(passphrase))
}

/** What the operator's machine knows of the one node of the site. */
export async function nodeFile(site: Site): Promise<GenesisFile> {
  const [node] = (await loadNodes(join(site.folder, 'operator/nodes'))).filter(isGenesis)
  if (node === undefined) throw new Error('Cannot find the node file: nothing was enrolled yet')
  return node
}

/** Opens escrows of the site's node as its owner: what is in them the test has to know in order to look for it. */
export async function escrowOpener(site: Site): Promise<(escrow: Escrow) => Buffer> {
  const { nodeId, cluster, owner } = await nodeFile(site)
  const key = await walletKey(site)
  return escrow => {
    const { luksUuid, number } = escrow
    return openEscrow(escrow, key, { cluster, nodeId, luksUuid, number, owner })
  }
}
