import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { cached, hashOf } from './cache.ts'
import { step, tool } from './step.ts'

/** A Go module that is linked into a program. */
export type LinkedModule = { readonly module: string; readonly version: string }

/** What a module's licence files say. */
export type ModuleLicense = LinkedModule & {
  /** An SPDX identifier for each kind of text that was recognized; NOASSERTION for none. */
  readonly spdx: string
  /** Name → content. */
  readonly texts: Readonly<Record<string, string>>
}

/** The modules of `go version -m`; a replaced one is what replaced it. */
export function linkedModules(buildInfo: string): LinkedModule[] {
  const found: LinkedModule[] = []
  for (const line of buildInfo.split('\n')) {
    const [kind, module, version] = line.trim().split('\t')
    if (module === undefined || version === undefined) continue
    if (kind === '=>') found.pop()
    if (kind === 'dep' || kind === '=>') found.push({ module, version })
  }
  return found
}

export type LicenseSource = {
  readonly go: string
  readonly env: Readonly<Record<string, string>>
}

/** The licences of a program's modules, from their sources in Go's cache; cached by the list of modules. */
export async function findLicenses(
  program: string,
  buildInfo: string,
  from: LicenseSource,
): Promise<ModuleLicense[]> {
  const modules = linkedModules(buildInfo)
  if (modules.length === 0) return []
  const file = 'licenses.json'
  const folder = await cached({
    kind: 'licenses',
    key: hashOf({ modules: JSON.stringify(modules), recipe: '1' }),
    make: out =>
      step(`licences of ${program}`, async () => {
        const found = await readLicenses(modules, from, out)
        await writeFile(join(out, file), JSON.stringify(found))
      }),
  })
  return licensesSchema.parse(JSON.parse(await readFile(join(folder, file), 'utf8')))
}

const licensesSchema = z.array(
  z.strictObject({
    module: z.string(),
    version: z.string(),
    spdx: z.string(),
    texts: z.record(z.string(), z.string()),
  }),
)

async function readLicenses(
  modules: readonly LinkedModule[],
  { go, env }: LicenseSource,
  cwd: string,
): Promise<ModuleLicense[]> {
  const wanted = modules.map(({ module, version }) => `${module}@${version}`)
  const answer = await tool(go, ['mod', 'download', '-json', ...wanted], { env, cwd, log: 'go-licenses' })
  // One object after the other, each closed by a brace at the beginning of a line.
  const objects = answer.split(/(?<=^\})\n/m).filter(text => text.trim() !== '')
  const folders = new Map(
    objects.map(text => {
      const { Path, Version, Dir } = downloadSchema.parse(JSON.parse(text))
      return [`${Path}@${Version}`, Dir]
    }),
  )
  return Promise.all(
    modules.map(async one => {
      const folder = folders.get(`${one.module}@${one.version}`)
      if (folder === undefined) throw new Error(`Cannot find the source of ${one.module} ${one.version}`)
      const texts = await readTexts(folder)
      return { ...one, spdx: spdxOf(Object.values(texts)), texts }
    }),
  )
}

const downloadSchema = z.object({ Path: z.string(), Version: z.string(), Dir: z.string() })

async function readTexts(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter(entry => entry.isFile() && isLicense(entry.name)).map(entry => entry.name)
  const texts = names.sort().map(async name => [name, await readFile(join(folder, name), 'utf8')] as const)
  return Object.fromEntries(await Promise.all(texts))
}

/** What the Go project itself takes for a licence file's name, and notices. */
function isLicense(name: string): boolean {
  return /^(un)?licen[cs]e|^copying|^notice|^patents/i.test(name) && !name.endsWith('.go')
}

/** Words that a licence's text has and others have not. */
const marks: Readonly<Record<string, RegExp>> = {
  'Apache-2.0': /Apache License\s+Version 2\.0/i,
  MIT: /Permission is hereby granted, free of charge, to any person obtaining a copy/i,
  'BSD-3-Clause': /Redistribution and use in source and binary forms[^]*neither the names? of/i,
  'BSD-2-Clause': /Redistribution and use in source and binary forms(?![^]*neither the names? of)/i,
  'MPL-2.0': /Mozilla Public License,?\s+(Version|v\.?) ?2\.0/i,
  ISC: /Permission to use, copy, modify, and(\/or)? distribute this software for any\s+purpose/i,
  Unlicense: /This is free and unencumbered software released into the public domain/i,
  'CC0-1.0': /CC0 1\.0 Universal/i,
  'BlueOak-1.0.0': /Blue Oak Model License/i,
}

/** The kinds of text, joined by AND: a module that has two says both. */
export function spdxOf(texts: readonly string[]): string {
  const words = texts.map(text => text.replace(/\s+/g, ' '))
  const kinds = Object.entries(marks).filter(([, mark]) => words.some(text => mark.test(text)))
  return kinds.length === 0 ? 'NOASSERTION' : kinds.map(([name]) => name).join(' AND ')
}
