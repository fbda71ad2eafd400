/** A line of every file that `make buildroot-files` makes. */
export const madeBy = '# Made by `make buildroot-files`, not to be edited.'

export type HashRow = { readonly kind: 'sha256' | 'sha512'; readonly hash: string; readonly file: string }

/** A makefile as Buildroot's check-package wants it: header, variables with one value or a list, and what ends it. */
export function makefileText(
  name: string,
  variables: Readonly<Record<string, string | readonly string[]>>,
  end = '',
): string {
  const line = '#'.repeat(80)
  const lines = Object.entries(variables).map(([variable, value]) =>
    typeof value === 'string' ? `${variable} = ${value}\n` : `${variable} =${value.map(listed).join('')}\n`,
  )
  return `${line}\n#\n# ${name}\n#\n${line}\n\n${madeBy}\n${lines.join('')}${end}`
}

function listed(value: string): string {
  return ` \\\n\t${value}`
}

/** A .hash file: two spaces between its three fields. */
export function hashText(rows: readonly HashRow[]): string {
  return [`${madeBy}\n`, ...rows.map(({ kind, hash, file }) => `${kind}  ${hash}  ${file}\n`)].join('')
}
