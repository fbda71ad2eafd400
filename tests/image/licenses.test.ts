import t from 'tap'
import { linkedModules, spdxOf } from '../../image/licenses.ts'

t.test('linkedModules() reads what is in a program, and what replaced it', async t => {
  const info = [
    'p: go1.26.1',
    '\tpath\texample.org/p',
    '\tmod\texample.org/p\tv1.0.0\th1:p=',
    '\tdep\texample.org/q\tv1.2.3\th1:q=',
    '\tdep\texample.org/old\tv1.0.0',
    '\t=>\texample.org/new\tv2.0.0\th1:n=',
    '\tbuild\t-trimpath=true',
  ].join('\n')
  t.same(linkedModules(info), [
    { module: 'example.org/q', version: 'v1.2.3' },
    { module: 'example.org/new', version: 'v2.0.0' },
  ])
})

const free = 'Permission is hereby granted, free of charge, to any\nperson obtaining a copy of this software'
const binary =
  'Redistribution and use in source and binary forms, with or without\nmodification, are permitted'
const texts: readonly (readonly [string, readonly string[], string])[] = [
  ['the usual first line, over two lines', ['Apache License\n   Version 2.0, January 2004'], 'Apache-2.0'],
  ['a text without its title', [free], 'MIT'],
  ['three clauses', [`${binary}\n* Neither the name of Google Inc. nor`], 'BSD-3-Clause'],
  ['two clauses', [binary], 'BSD-2-Clause'],
  ['a weak copyleft', ['Mozilla Public License, version 2.0\n1. Definitions'], 'MPL-2.0'],
  ['two files of two kinds', [free, 'Apache License\nVersion 2.0'], 'Apache-2.0 AND MIT'],
  ['a text that nobody knows', ['You may do as you please.'], 'NOASSERTION'],
  ['no file', [], 'NOASSERTION'],
]
for (const [what, files, spdx] of texts) t.test(`spdxOf(): ${what}`, async t => t.equal(spdxOf(files), spdx))
