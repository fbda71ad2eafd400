/** A text for a wallet to sign: a first line that names its purpose, then `name: value` lines in fixed order. */
export type TextForm = { readonly first: string; readonly names: readonly string[] }

/** Writes such a text; no newline at its end. Throws RangeError for a value that would break the lines. */
export function composeLines(form: TextForm, values: Readonly<Record<string, string>>): string {
  const lines = form.names.map(name => {
    const value = values[name] ?? ''
    if (!/^[\x20-\x7e]+$/.test(value))
      throw new RangeError(`Cannot compose '${form.first}': ${name} is not plain text`)
    return `${name}: ${value}`
  })
  return [form.first, ...lines].join('\n')
}

/** Reads such a text. Throws SyntaxError unless every line stands exactly where `composeLines` puts it. */
export function parseLines(form: TextForm, text: string): Record<string, string> {
  const [first, ...lines] = text.split('\n')
  if (first !== form.first) throw new SyntaxError(`Cannot read text: its first line is not '${form.first}'`)
  if (lines.length !== form.names.length)
    throw new SyntaxError(`Cannot read '${form.first}': ${lines.length} lines, need ${form.names.length}`)
  return Object.fromEntries(form.names.map((name, at) => [name, valueOf(lines[at] ?? '', name)]))
}

function valueOf(line: string, name: string): string {
  if (!line.startsWith(`${name}: `)) throw new SyntaxError(`Cannot read text: line '${name}' is missing`)
  const value = line.slice(name.length + 2)
  if (!/^[\x20-\x7e]+$/.test(value)) throw new SyntaxError(`Cannot read text: ${name} is not plain text`)
  return value
}
