import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../image/cache.ts'
import { fixedClock } from '../image/clock.ts'
import { tool } from '../image/step.ts'

/** The Secure Boot hierarchy (UEFI 2.10, section 32): platform key, key exchange key, signature database. */
const names = ['PK', 'KEK', 'db'] as const

/** The owner of our signature lists, a fixed random GUID. */
const ownerGuid = '9a3f6c1e-6d0b-4b57-9f27-0f52414d4131'

/**
 * Development keys: made once on this machine and kept in the cache folder, mode 0600. Never for production.
 * Returns their folder: NAME.key and NAME.crt in PEM.
 */
export function developmentKeys(): Promise<string> {
  return cached({
    kind: 'keys',
    key: 'development',
    make: async folder => {
      for (const name of names) await makeKey(folder, name)
    },
  })
}

async function makeKey(folder: string, name: string): Promise<void> {
  const key = join(folder, `${name}.key`)
  await tool('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-days', '3650'],
    ...['-subj', `/CN=OramaOS development ${name}`, '-keyout', key, '-out', join(folder, `${name}.crt`)],
  ])
}

/** Writes PK.auth, KEK.auth and db.auth, which systemd-boot enrolls on firmware in setup mode. */
export async function makeEnrollment(keys: string, folder: string): Promise<void> {
  const signers = { PK: 'PK', KEK: 'PK', db: 'KEK' } as const
  for (const name of names) {
    const list = join(folder, `${name}.esl`)
    await tool('cert-to-efi-sig-list', ['-g', ownerGuid, join(keys, `${name}.crt`), list])
    const signer = join(keys, signers[name])
    const args = ['-g', ownerGuid, '-t', '2026-01-01 00:00:00', '-k', `${signer}.key`, '-c', `${signer}.crt`]
    await fixedClock('sign-efi-sig-list', [...args, name, list, join(folder, `${name}.auth`)])
  }
}

/** Signs an EFI program with the db key and checks the signature of what was written. */
export async function signEfi(keys: string, program: string, signed: string): Promise<void> {
  const [key, certificate] = [join(keys, 'db.key'), join(keys, 'db.crt')]
  const unsigned = `${signed}.unsigned`
  await copyFile(program, unsigned)
  await padTo8(unsigned)
  await fixedClock('sbsign', ['--key', key, '--cert', certificate, '--output', signed, unsigned])
  await tool('sbverify', ['--cert', certificate, signed])
}

/** sbsign warns about, and firmware hashes differently, a file whose size is not a multiple of 8. */
async function padTo8(file: string): Promise<void> {
  const bytes = await readFile(file)
  const rest = bytes.length % 8
  if (rest !== 0) await writeFile(file, Buffer.concat([bytes, Buffer.alloc(8 - rest)]))
}
