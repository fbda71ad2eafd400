import { HttpError } from './error.ts'
import type { Route, Routes } from './server.ts'

export type FoundRoute = {
  readonly route: Route
  /** Its key in the table. */
  readonly name: string
  readonly params: Readonly<Record<string, string>>
}

/**
 * The route of a method and a path as the URL parser left it. Where a fixed path and one with parameters fit, the
 * fixed one counts. Throws HttpError: 404 for a path that no route has, 405 for a method.
 */
export function findRoute(routes: Routes, method: string, path: string): FoundRoute {
  const exact = `${method} ${path}`
  const fixed = path.includes(':') || !Object.hasOwn(routes, exact) ? undefined : routes[exact]
  if (fixed !== undefined) return { route: fixed, name: exact, params: {} }
  const fitting = Object.entries(routes).flatMap(([name, route]) => {
    const params = paramsOf(pathOf(name), path)
    return params === undefined ? [] : [{ route, name, params }]
  })
  const ofMethod = fitting.filter(one => methodOf(one.name) === method)
  if (ofMethod[0] !== undefined) return ofMethod[0]
  if (fitting.length === 0)
    throw new HttpError(404, 'no such route', `routes: ${Object.keys(routes).join(', ')}`)
  const names = fitting.map(one => one.name)
  const error = new HttpError(405, 'method not allowed', `use ${names.join(' or ')}`)
  error.headers = { allow: [...new Set(names.map(methodOf))].join(', ') }
  throw error
}

function methodOf(name: string): string {
  return name.slice(0, name.indexOf(' '))
}

function pathOf(name: string): string {
  return name.slice(name.indexOf(' ') + 1)
}

/**
 * What a parameter may be. Nothing is ever decoded, and there is neither dot nor per cent sign: no value can become
 * another path, wherever it is put.
 */
const value = /^[A-Za-z0-9_-]{1,128}$/

/** The parameters of a path, `:name` in its pattern, if it fits. */
function paramsOf(pattern: string, path: string): Record<string, string> | undefined {
  if (!pattern.includes(':')) return pattern === path ? {} : undefined
  const wanted = pattern.split('/')
  const parts = path.split('/')
  const fits = (want: string, at: number) =>
    want.startsWith(':') ? value.test(parts[at] ?? '') : want === parts[at]
  if (wanted.length !== parts.length || !wanted.every(fits)) return undefined
  return Object.fromEntries(
    wanted.flatMap((want, at) => (want.startsWith(':') ? [[want.slice(1), parts[at] ?? '']] : [])),
  )
}
