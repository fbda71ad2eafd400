import t from 'tap'
import { rqliteSuite } from './rqlite-suite.ts'
import { findRqlited } from './rqlited.ts'

const program = findRqlited()
const skip = program === undefined ? 'no rqlited in the build cache' : false
if (program === undefined) t.test('the registry on rqlite', { skip }, () => undefined)
else rqliteSuite(program)
