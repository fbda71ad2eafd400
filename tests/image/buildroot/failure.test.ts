import t from 'tap'
import { reasonOf } from '../../../image/buildroot/failure.ts'

const stamp = (stage: string) =>
  `make: *** [package/pkg-generic.mk:190: /c/output/build/kubo-0.43.0/.stamp_${stage}] Error 1`

const rows: readonly (readonly [what: string, lines: readonly string[], reason: RegExp])[] = [
  [
    'another hash',
    ['ERROR: a.zip has wrong sha256 hash:', 'ERROR: expected: 00', stamp('downloaded')],
    /^'a\.zip' is not the file whose sha256 is pinned/,
  ],
  ['no hash', ['ERROR: No hash found for a.zip', stamp('downloaded')], /^no hash of 'a\.zip' is pinned/],
  [
    'no registry',
    ["wget: unable to resolve host address 'set-oramaos_go_proxy.invalid'", stamp('downloaded')],
    /^nobody says where a registry is: set ORAMAOS_GO_PROXY .* or put the files into \/dl$/,
  ],
  [
    'no source',
    ['wget: unable to resolve host address', stamp('downloaded')],
    /^the source of kubo-0\.43\.0 cannot be downloaded: put its file into \/dl, or name .* BR2_DL_DIR/,
  ],
  ['a full disk, whatever failed', [stamp('built'), 'cp: x: No space left on device'], /^the disk is full$/],
  [
    'a compiler',
    ['x.c:1: error: x', 'x.c:2: error: y', stamp('built')],
    /^kubo-0\.43\.0 failed before 'built': x\.c:1: error: x$/,
  ],
  [
    'a file that is missing',
    ["make[1]: *** No rule to make target 'a', needed by 'b'.  Stop.", stamp('built')],
    /^kubo-0\.43\.0 failed before 'built': make\[1\]: \*\*\* No rule to make target 'a'/,
  ],
  ['a package that only ends', [stamp('built')], /^kubo-0\.43\.0 failed before 'built'$/],
  ['nothing that is known', ['make: *** [Makefile:1: all] Error 2'], /^its output says why$/],
  ['nothing at all', [], /^its output says why$/],
]
for (const [what, lines, reason] of rows)
  t.test(`reasonOf() finds ${what}`, async t => t.match(reasonOf(lines, '/dl'), reason))
