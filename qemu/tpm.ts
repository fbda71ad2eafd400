import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { run } from '../agent/system/run.ts'
import { exists } from '../image/cache.ts'
import { untilExists } from './deadline.ts'
import { startProgram, type Program } from './program.ts'

/** A TPM 2.0 whose state outlives the machines it is put into. */
export type Tpm = {
  readonly folder: string
  readonly logFile: string
  /** Starts the emulator for one start of QEMU: it ends by itself when QEMU disconnects. */
  readonly start: (socket: string) => Promise<Program>
}

const startDeadlineMs = 10_000

/**
 * A TPM with an endorsement key and its certificate, made at the first call and kept in the folder. The
 * certificate is issued by a local authority in `authority/` beside it (the host's own is left alone).
 */
export async function openTpm(folder: string): Promise<Tpm> {
  // swtpm changes its directory: every path it gets is absolute.
  const root = resolve(folder)
  const state = join(root, 'state')
  const logFile = join(root, 'swtpm.log')
  if (!(await exists(join(root, 'made')))) await makeTpm(root, state)
  return { folder: root, logFile, start: socket => startTpm({ state, logFile, socket }) }
}

async function makeTpm(root: string, state: string): Promise<void> {
  await mkdir(state, { recursive: true })
  const config = await writeAuthority(root)
  const certificates = ['--create-ek-cert', '--create-platform-cert', '--overwrite']
  const where = ['--tpm-state', state, '--config', config, '--logfile', join(root, 'setup.log')]
  await run('swtpm_setup', ['--tpm2', ...certificates, ...where], { timeoutMs: 60_000 })
  await writeFile(join(root, 'made'), '')
}

async function writeAuthority(root: string): Promise<string> {
  const authority = join(root, 'authority')
  await mkdir(authority, { recursive: true })
  const options = join(root, 'localca.options')
  const localca = join(root, 'localca.conf')
  const setup = join(root, 'setup.conf')
  await writeFile(options, '--platform-manufacturer OramaOS\n--platform-version 1\n--platform-model QEMU\n')
  await writeFile(
    localca,
    [
      `statedir = ${authority}`,
      `signingkey = ${join(authority, 'signkey.pem')}`,
      `issuercert = ${join(authority, 'issuercert.pem')}`,
      `certserial = ${join(authority, 'certserial')}`,
      '',
    ].join('\n'),
  )
  await writeFile(
    setup,
    [
      'create_certs_tool = /usr/bin/swtpm_localca',
      `create_certs_tool_config = ${localca}`,
      `create_certs_tool_options = ${options}`,
      'active_pcr_banks = sha256',
      '',
    ].join('\n'),
  )
  return setup
}

type Start = { readonly state: string; readonly logFile: string; readonly socket: string }

async function startTpm({ state, logFile, socket }: Start): Promise<Program> {
  await appendFile(logFile, '--- start ---\n')
  const where = ['--tpmstate', `dir=${state}`, '--ctrl', `type=unixio,path=${socket}`]
  const program = await startProgram('swtpm', [
    'socket',
    '--tpm2',
    ...where,
    '--log',
    `file=${logFile},level=1`,
  ])
  const died = program.exited.then(() => {
    throw new Error(`Cannot start the TPM: ${program.complaint()}; its log is in ${logFile}`)
  })
  try {
    await Promise.race([untilExists(socket, startDeadlineMs), died])
  } catch (cause) {
    await program.stop()
    throw cause
  }
  // From here on its end is ordinary: QEMU shuts it down.
  died.catch(() => undefined)
  return program
}
