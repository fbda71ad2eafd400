import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readKey, readSecret } from '../../../services/gateway/secret-file.ts'

async function fileOf(t: Test, text: string): Promise<string> {
  const path = join(t.testdir({}), 'gateway.key')
  await writeFile(path, text)
  return path
}

t.test('a key is read from hex, a password as it stands there', async t => {
  const hex = '00ff'.repeat(8) + '19af'.repeat(8)
  t.equal((await readKey(await fileOf(t, hex), 32)).toString('hex'), hex)
  t.equal((await readSecret(await fileOf(t, hex))).toString(), hex)
})

const refused = [
  ['nothing', ''],
  ['a digit too few', 'a'.repeat(63)],
  ['a newline at the end', `${'a'.repeat(64)}\n`],
  ['capitals', 'A'.repeat(64)],
  ['a letter that is no digit', `${'a'.repeat(63)}g`],
  ['what stands between digits and letters', `${'a'.repeat(63)}:`],
  ['a placeholder', '${clusterKey}'],
] as const
for (const [what, text] of refused)
  t.test(`readKey() refuses ${what}, and does not repeat it`, async t => {
    const error = await readKey(await fileOf(t, text), 32).catch((cause: unknown) => cause)
    t.match(error, { name: 'SyntaxError', message: /need 64 lower-case hex digits/ })
    if (text !== '') t.notOk(String(error).includes(text.trim()))
  })

t.test('a file that is not there, or too long, is refused', async t => {
  await t.rejects(readKey('/nowhere/gateway.key', 32), { code: 'ENOENT' })
  await t.rejects(readKey(await fileOf(t, 'a'.repeat(5000)), 32), { name: 'RangeError' })
})
