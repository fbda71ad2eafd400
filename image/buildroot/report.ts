import type { Checkout } from './checkout.ts'
import { checkTree } from './check.ts'

/** Checks the tree and prints a line a check, in TAP's words. Returns how many passed. */
export async function report(checkout: Checkout): Promise<{ passed: number; failed: number }> {
  for (const warning of checkout.warnings) process.stderr.write(`warning: ${warning}\n`)
  const count = { passed: 0, failed: 0 }
  for await (const { name, complaints, note } of checkTree(checkout)) {
    const ok = complaints.length === 0
    process.stdout.write(`${ok ? 'ok' : 'not ok'} - buildroot-check: ${name}\n`)
    for (const complaint of complaints) process.stdout.write(`  ${complaint}\n`)
    if (note !== undefined) process.stdout.write(`  (${note})\n`)
    count[ok ? 'passed' : 'failed']++
  }
  return count
}
