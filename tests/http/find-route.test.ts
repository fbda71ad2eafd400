import t from 'tap'
import { findRoute } from '../../http/find-route.ts'
import { ask, serving } from './serving.ts'

const route = { handle: () => ({ body: '' }) }
const names = [
  'GET /',
  'GET /nodes/:node',
  'GET /nodes/list',
  'POST /nodes/:node/leave',
  'DELETE /nodes/list',
  'GET /nodes/:node/logs/:service',
]
const routes = Object.fromEntries(names.map(name => [name, route]))

const found = [
  ['GET', '/', 'GET /', {}],
  ['GET', '/nodes/abc', 'GET /nodes/:node', { node: 'abc' }],
  ['GET', '/nodes/list', 'GET /nodes/list', {}],
  ['POST', '/nodes/list/leave', 'POST /nodes/:node/leave', { node: 'list' }],
  ['GET', '/nodes/a_b-C/logs/7', 'GET /nodes/:node/logs/:service', { node: 'a_b-C', service: '7' }],
  ['GET', `/nodes/${'a'.repeat(128)}`, 'GET /nodes/:node', { node: 'a'.repeat(128) }],
  ['GET', '/nodes/__proto__', 'GET /nodes/:node', { node: '__proto__' }],
] as const

for (const [method, path, name, params] of found)
  t.test(`findRoute() finds ${name} for ${path.slice(0, 40)}`, async t => {
    const result = findRoute(routes, method, path)
    t.equal(result.name, name)
    t.strictSame(result.params, params)
  })

const refused = [
  ['an empty part', 'GET', '/nodes/', 404],
  ['a part too many', 'GET', '/nodes/a/b', 404],
  ['an empty part in between', 'POST', '/nodes//leave', 404],
  ['a dot', 'GET', '/nodes/.', 404],
  ['two dots', 'GET', '/nodes/..', 404],
  ['a dot within', 'GET', '/nodes/a.b', 404],
  ['a slash in disguise', 'GET', '/nodes/a%2fb', 404],
  ['dots in disguise', 'GET', '/nodes/%2e%2e', 404],
  ['a nul in disguise', 'GET', '/nodes/a%00', 404],
  ['a semicolon', 'GET', '/nodes/a;b', 404],
  ['a colon', 'GET', '/nodes/:node', 404],
  ['a part of 129 characters', 'GET', `/nodes/${'a'.repeat(129)}`, 404],
  ['no path at all', 'GET', '*', 404],
  ['a method that only the fixed path has', 'DELETE', '/nodes/abc', 405],
  ['a method that nobody has', 'PUT', '/nodes/abc/leave', 405],
] as const

for (const [why, method, path, status] of refused)
  t.test(`findRoute() refuses: ${why}`, async t =>
    t.throws(() => findRoute(routes, method, path), { name: 'HttpError', status }),
  )

t.test('what is not allowed is told what is, for a path with parameters too', async t => {
  const { port } = await serving(t, routes)
  const { status, headers } = await ask(port, ['PUT', '/nodes/list'])
  t.equal(status, 405)
  t.equal(headers['allow'], 'GET, DELETE')
})

t.test('a handler is given the parameters of its path', async t => {
  const { port } = await serving(t, { 'GET /a/:b': { handle: ({ params }) => ({ body: params }) } })
  t.equal((await ask(port, ['GET', '/a/c?b=d'])).body, '{"b":"c"}\n')
})
