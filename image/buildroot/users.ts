import type { ChosenService } from '../services.ts'

type User = { readonly name: string; readonly manifest: Pick<ChosenService['manifest'], 'uid'> }

/** Buildroot's table of users (its manual, "Makeusers syntax"): one a service, with no password, home or shell. */
export function usersTable(services: readonly User[]): string {
  return services
    .map(({ name, manifest: { uid } }) => `${name} ${uid} ${name} ${uid} * - /nonexistent - ${name}\n`)
    .join('')
}
