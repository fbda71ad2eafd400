import type { Test } from '../tests/e2e/support/keep.ts'

/** What the end-to-end tests' support needs of a test: a name, and a place for what ends with it. */
export function benchStack(stack: AsyncDisposableStack): Test {
  return {
    name: 'bench',
    passing: () => true,
    teardown: handler => {
      stack.defer(handler)
    },
  }
}
