import { workFolder } from '../../../qemu/folder.ts'
import type { Test } from './keep.ts'

/**
 * A work folder in the system's temporary folder that lives until the test's teardown, so that a failing test
 * can still keep what is in it. Returns its path.
 */
export async function testFolder(t: Pick<Test, 'teardown'>): Promise<string> {
  const folder = await workFolder()
  t.teardown(async () => {
    await folder[Symbol.asyncDispose]()
  })
  return folder.path
}
