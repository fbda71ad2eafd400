import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fixedClock } from '../clock.ts'
import { tool } from '../step.ts'

export const espBytes = 128 * 1024 * 1024

const loaderConf = `timeout 0
editor no
secure-boot-enroll force
`

export type EspInputs = {
  /** Signed systemd-boot. */
  readonly loader: string
  /** Signed UKI, installed for slot A with three tries. */
  readonly uki: string
  /** Folder with PK.auth, KEK.auth and db.auth. */
  readonly enrollment: string
}

/** Makes the EFI system partition: FAT32 with a fixed serial number and fixed times. */
export async function makeEsp(inputs: EspInputs, folder: string): Promise<string> {
  const content = join(folder, 'esp')
  await rm(content, { recursive: true, force: true })
  await writeContent(inputs, content)
  const image = join(folder, 'esp.img')
  await rm(image, { force: true })
  await writeFile(image, '')
  await tool('truncate', ['--size', String(espBytes), image])
  await tool('mkfs.vfat', ['-F', '32', '-s', '1', '-n', 'ORAMA-ESP', '-i', '4f52414d', '--invariant', image])
  await fixedClock('mcopy', ['-s', '-Q', '-i', image, join(content, 'EFI'), join(content, 'loader'), '::/'])
  return image
}

async function writeContent(inputs: EspInputs, content: string): Promise<void> {
  const files = {
    'EFI/BOOT/BOOTX64.EFI': inputs.loader,
    'EFI/Linux/os-a+3-0.efi': inputs.uki,
    'loader/keys/auto/PK.auth': join(inputs.enrollment, 'PK.auth'),
    'loader/keys/auto/KEK.auth': join(inputs.enrollment, 'KEK.auth'),
    'loader/keys/auto/db.auth': join(inputs.enrollment, 'db.auth'),
  }
  for (const [path, source] of Object.entries(files)) {
    await mkdir(dirname(join(content, path)), { recursive: true })
    await copyFile(source, join(content, path))
  }
  await mkdir(join(content, 'EFI/orama'))
  await writeFile(join(content, 'loader/loader.conf'), loaderConf)
}
