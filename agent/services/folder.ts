import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Manifest, parseManifest } from './manifest.ts'

/** A service's folder as the node has it: its manifest, and the templates of the files that it is given. */
export type ServiceFolder = {
  readonly manifest: Manifest
  /** File name → content, service.json among them: what goes into the image. */
  readonly files: Readonly<Record<string, string>>
}

const manifestFile = 'service.json'
/** For the builder alone: what the program is made from. */
const moduleFile = 'module.json'

/** Reads `<folder>/<name>`. Throws SyntaxError that names the file, as `shown`, and the first bad key. */
export async function readServiceFolder(
  folder: string,
  name: string,
  shown = folder,
): Promise<ServiceFolder> {
  const entries = await readdir(join(folder, name), { withFileTypes: true })
  // Folders in it are parts of a program of ours, which goes into the image as one file.
  const names = entries.flatMap(entry => (entry.isDirectory() ? [] : [entry.name])).sort()
  const read = async (file: string) => [file, await readFile(join(folder, name, file), 'utf8')] as const
  const files = Object.fromEntries(await Promise.all(names.filter(file => file !== moduleFile).map(read)))
  const { [manifestFile]: json = '', ...templates } = files
  const path = join(shown, name, manifestFile)
  const manifest = parseManifest(json, path, templates)
  if (manifest.name !== name) throw new SyntaxError(`Cannot use '${path}': name: it is '${manifest.name}'`)
  return { manifest, files }
}
