import { type Backend, bareRow, many, type Pair } from './backend.ts'

const create = ['CREATE TABLE one (name TEXT PRIMARY KEY, number INTEGER) STRICT', {}] as const
const insert = (name: string, number: number | null = null) =>
  ['INSERT INTO one (name, number) VALUES (:name, :number)', { name, number }] as const
const count = async ([database]: Pair) =>
  (await database.query(['SELECT count(*) AS n FROM one', {}]))[0]?.['n']

// Each as it is, or not at all: what is stored otherwise is compared otherwise.
const kept = [
  ['quotes', `it's "quoted" \`so\` -- ; DROP TABLE one`],
  ['a parameter', ':name ?1 $a @b'],
  ['line ends', 'a\r\nb\tc\u2028d'],
  ['unicode', 'näme 😀 \u202e \u00e9 e\u0301 \ufeff'],
  ['control characters', '\u0001\u001f\u007f\u0080\uffff'],
  ['10 KB', 'a"\\'.repeat(3500)],
  ['a number', '007'],
  ['JSON', '{"a":[null]}'],
  ['HTML', '<script>&amp;</script>'],
  ['nothing', ''],
  ['half of a blob', "x'41"],
  ['a blob of no hex', "x'4g'"],
] as const

const refused: readonly (readonly [string, string | number, RegExp])[] = [
  ['a NUL', 'a\0b', /has a NUL/],
  ['half a surrogate pair', 'a\ud800b', /well-formed/],
  ['what rqlite reads as bytes', "x'41'", /looks like a blob/],
  ['the same with spaces around', " \u0085X'4142' \n", /looks like a blob/],
  ['70 KB', 'a'.repeat(70_000), /more than 65536/],
  ['half a number', 0.5, /exact integer/],
  ['a number beyond the exact', 2 ** 53, /exact integer/],
  ['no number', NaN, /exact integer/],
]

/** What both databases do alike with statements and values. */
export function databaseRows(backend: Backend): void {
  for (const [what, value] of kept)
    bareRow(
      backend,
      `a text with ${what} comes back as it was, from the other gateway`,
      async (t, [a, b]) => {
        await a.execute([create, insert(value, 7)])
        t.same(await b.query(['SELECT name, number FROM one WHERE name = :value', { value }]), [
          { name: value, number: 7 },
        ])
      },
    )

  for (const [what, value, why] of refused)
    bareRow(backend, `${what} is refused by name, without its value`, async (t, [a]) => {
      await a.execute([create])
      const statement = ['INSERT INTO one (name) VALUES (:value)', { value }] as const
      const message = new RegExp(`^Cannot use parameter 'value': .*${why.source}`)
      await t.rejects(a.execute([statement]), { name: 'RangeError', message })
      await t.rejects(a.query(['SELECT * FROM one WHERE name = :value', { value }]), { name: 'RangeError' })
      t.equal(await count([a, a]), 0)
    })

  bareRow(backend, 'integers and nothing come back exactly', async (t, [a, b]) => {
    const numbers = [0, -1, 4_294_967_295, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, null]
    await a.execute([create, ...numbers.map((number, at) => insert(`row ${at}`, number))])
    const rows = await b.query(['SELECT number FROM one ORDER BY name', {}])
    t.same(
      rows.map(one => one['number']),
      numbers,
    )
  })

  bareRow(backend, 'a transaction with a statement that fails leaves nothing', async (t, pair) => {
    const [a] = pair
    await a.execute([create, insert('first')])
    const failing = [
      ['not unique', insert('first')],
      ['no such table', ['INSERT INTO two VALUES (1)', {}]],
      ['no SQL', ['INSERT INTO', {}]],
    ] as const
    for (const [what, statement] of failing)
      await t.rejects(a.execute([insert(`before ${what}`), statement, insert('after')]), Error, what)
    await t.rejects(a.query(['SELECT * FROM two', {}]), Error)
    t.equal(await count(pair), 1)
  })

  bareRow(backend, 'each statement of a transaction says how many rows it changed', async (t, [a]) => {
    const changed = await a.execute([
      create,
      insert('one', 1),
      insert('two', 2),
      ['UPDATE one SET number = 0 WHERE number > :least', { least: 0 }],
      ['UPDATE one SET number = 1 WHERE number > :least', { least: 0 }],
      ['INSERT INTO one (name) VALUES (:name) ON CONFLICT DO NOTHING', { name: 'one' }],
      ['DELETE FROM one', {}],
    ])
    t.same(
      changed.slice(1).map(one => one.rowsAffected),
      [1, 1, 2, 0, 0, 2],
    )
  })

  bareRow(backend, 'of 20 conditional updates at once one changes something', async (t, pair) => {
    await pair[0].execute([create, insert('lock')])
    const take = (number: number) =>
      [
        'UPDATE one SET number = :number WHERE name = :name AND number IS NULL',
        { name: 'lock', number },
      ] as const
    const changed = await Promise.all(many(20, at => (pair[at % 2] ?? pair[0]).execute([take(at)])))
    t.equal(changed.filter(([one]) => one?.rowsAffected === 1).length, 1)
  })
}
