import * as z from 'zod'

/** What `${…}` may name everywhere: in command, environment, lists and files. */
const openNames = ['nodeId', 'cluster', 'wireguardAddress', 'libp2pId', 'dataDir', 'configDir'] as const
/** Allowed in files only: arguments and environment can be read in /proc. */
const secretNames = ['password', 'clusterKey', 'libp2pKey'] as const
/** As a secret of its own, the password of each service that it requires. */
export const passwordOf = <T extends string>(service: T) => `password:${service}` as const
/** What the `each` of a list may name besides, by what it is a list of. */
const itemNames = {
  peers: ['itemAddress', 'itemNodeId', 'itemLibp2pId'],
  members: ['itemAddress', 'itemNodeId', 'itemLibp2pId'],
  nameservers: ['itemAddress'],
} as const

/** Values of `${…}` that anybody may see. */
export type OpenValues = Readonly<Record<(typeof openNames)[number], string>>

/** ASCII text, lent: whoever made them wipes them. */
export type SecretValues = Readonly<
  Record<(typeof secretNames)[number] | ReturnType<typeof passwordOf>, Uint8Array>
>

export type ListItem = Readonly<Partial<Record<'itemAddress' | 'itemNodeId' | 'itemLibp2pId', string>>>

/** `peers`: the other nodes of the cluster; `members`: they and this one; `nameservers`: DNS of the outside. */
export type ListSources = Readonly<Record<keyof typeof itemNames, readonly ListItem[]>>

const text = z.string().max(4096)

/** A list becomes `start`, its items in the form of `each` with `separator` between, and `end`; or nothing if empty. */
export const listSchema = z.strictObject({
  of: z.enum(['peers', 'members', 'nameservers']),
  each: text,
  separator: z.string().max(16).default(''),
  start: text.default(''),
  end: text.default(''),
})
export type ListTemplate = z.infer<typeof listSchema>

export const listsSchema = z
  .record(z.string().regex(/^[a-z][A-Za-z0-9]{0,31}$/), listSchema)
  .refine(
    lists => Object.keys(lists).every(name => !([...openNames, ...secretNames] as string[]).includes(name)),
    'a list has the name of another placeholder',
  )
  .default({})

/** Open values and the manifest's lists, rendered: all that command and environment may be filled from. */
export function visibleValues(
  lists: Readonly<Record<string, ListTemplate>>,
  open: OpenValues,
  sources: ListSources,
): Readonly<Record<string, string>> {
  // Picked one by one: an object that has more than its type says must not bring a secret in.
  const visible = Object.fromEntries(openNames.map(name => [name, open[name]]))
  const rendered = Object.entries(lists).map(([name, list]) => [name, renderList(list, visible, sources)])
  return { ...visible, ...(Object.fromEntries(rendered) as Record<string, string>) }
}

function renderList(
  { of, each, separator, start, end }: ListTemplate,
  visible: Readonly<Record<string, string>>,
  sources: ListSources,
): string {
  const items = sources[of].map(item => fill(each, { ...visible, ...item }))
  return items.length === 0 ? '' : fill(start, visible) + items.join(separator) + fill(end, visible)
}

/** Replaces every `${name}`. Throws RangeError for a name that has no value here. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(placeholder, (_, key: string) => {
    const value = Object.entries(values).find(([known]) => known === key)?.[1]
    if (value === undefined) throw new RangeError(`Cannot fill '\${${key}}'`)
    return value
  })
}

/** As `fill`, with secrets; into a buffer that the caller wipes, so that no string holds them. */
export function fillSecret(
  template: string,
  values: Readonly<Record<string, string>>,
  secrets: SecretValues,
): Buffer {
  // With its one group in the pattern, split() puts names at the odd places.
  const parts = template.split(placeholder).map((part, index) => {
    if (index % 2 === 0) return Buffer.from(part)
    return (
      Object.entries(secrets).find(([known]) => known === part)?.[1] ??
      Buffer.from(fill(`\${${part}}`, values))
    )
  })
  const filled = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    filled.set(part, at)
    at += part.length
  }
  return filled
}

const placeholder = /\$\{([^}]*)\}/g

type Templates = {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly lists: Readonly<Record<string, ListTemplate>>
  readonly files: Readonly<Record<string, { readonly text: string }>>
  readonly requires: readonly string[]
}

/** Reports every place that names a placeholder which has no value there; for `superRefine`. */
export function checkTemplates(manifest: Templates, context: z.RefinementCtx): void {
  const check = (path: (string | number)[], template: string, known: readonly string[]) => {
    const [bad] = [...template.matchAll(placeholder)].map(m => m[1] ?? '').filter(key => !known.includes(key))
    if (bad !== undefined)
      context.addIssue({ code: 'custom', path, message: `there is no '\${${bad}}' here` })
  }
  const visible = [...openNames, ...Object.keys(manifest.lists)]
  manifest.command.forEach((word, index) => {
    check(['command', index], word, visible)
  })
  for (const [name, value] of Object.entries(manifest.environment))
    check(['environment', name], value, visible)
  for (const [name, list] of Object.entries(manifest.lists)) {
    check(['lists', name, 'each'], list.each, [...openNames, ...itemNames[list.of]])
    for (const side of ['start', 'end'] as const) check(['lists', name, side], list[side], openNames)
  }
  const secret = [...secretNames, ...manifest.requires.map(passwordOf)]
  for (const [name, file] of Object.entries(manifest.files))
    check(['files', name], file.text, [...visible, ...secret])
}
