import { HttpError } from './error.ts'

/** Reads one value; throws for what is none. */
type Readers = Readonly<Record<string, (text: string) => unknown>>
type Values<R extends Readers> = { readonly [Name in keyof R]: ReturnType<R[Name]> }

/**
 * The values of a query in which each name stands once, and no other does. Refuses with 400, naming the first thing
 * that is wrong, never its value.
 */
export function readQuery<R extends Readers>(url: URL, readers: R): Values<R> {
  const names = Object.keys(readers)
  const refusal = (what: string) => new HttpError(400, what, `the query has ${names.join(', ')}, each once`)
  if ([...url.searchParams.keys()].some(name => !names.includes(name)))
    throw refusal('the query has a name that is not known')
  const values = Object.entries(readers).map(([name, read]) => {
    const [text, ...more] = url.searchParams.getAll(name)
    if (text === undefined || more.length > 0) throw refusal(`the query does not have ${name} once`)
    try {
      return [name, read(text)] as const
    } catch {
      throw refusal(`${name} is malformed`)
    }
  })
  return Object.fromEntries(values) as Values<R>
}
