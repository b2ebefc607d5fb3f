/** `poold cert`: certificates for a private pair, and what to run with them. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigError, reasonOf } from '../shared/errors.ts';
import { formatAddress, parseHostAlone } from '../shared/net/address.ts';
import { makeAuthority, makeCertificate } from '../shared/tls/authority.ts';
import { fingerprintOf } from '../shared/tls/fingerprint.ts';
import { fileMaterial } from '../shared/tls/material.ts';
import type { TlsMaterial } from '../shared/tls/pem.ts';
import { type CertificatePaths, exists, isThere, makeFolder, pathsOf, writeCertificate } from './cert-files.ts';
import type { CertSettings } from './cert-flags.ts';

/** What Apple's systems take at the most, also from an authority of one's own. */
const DEFAULT_DAYS = 825;

/** The port in the commands that are printed. */
const PORT = 7000;

/** The longest common name (RFC 5280, appendix A.1: ub-common-name). */
const MAX_NAME_LENGTH = 64;

/** A client's name is its file's, too. */
const CLIENT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A server as clients know it. */
interface Server {
  /** The first of its names. */
  readonly host: string;
  readonly fingerprint: string;
}

/**
 * Makes what is asked for, signed by the authority in the folder, and says on stdout what to run with it. Everything is
 * checked before the first file is written.
 *
 * @throws ConfigError when something is wrong with the names or in the folder
 */
export async function runCert({ out, host = [], days = DEFAULT_DAYS, force = false, ...rest }: CertSettings) {
  const hosts = host.map(hostOf);
  const isNew = await isMissing(out);
  const clients = (rest.client ?? (isNew && hosts.length > 0 ? ['client'] : [])).map(clientOf);
  if (isNew && hosts.length === 0) {
    throw new ConfigError('--host: is missing; a new authority wants the name by which clients reach the server');
  }
  if (hosts.length + clients.length === 0) {
    throw new ConfigError('--host and --client: give at least one of them; the authority is there already');
  }
  const names = [...(hosts.length === 0 ? [] : ['server']), ...clients];
  if (!force) await refuseExisting(names.map((name) => pathsOf(out, name)));
  await makeFolder(out);
  const authority = isNew ? await newAuthority(out) : await knownAuthority(out);
  for (const name of names) {
    const subject =
      name === 'server'
        ? ({ use: 'server', name: commonName(hosts), hosts } as const)
        : ({ use: 'client', name } as const);
    await writeCertificate(pathsOf(out, name), await makeCertificate(authority, { ...subject, days }), force);
  }
  console.log(report(out, names, isNew, await serverIn(out)));
}

function hostOf(text: string): string {
  try {
    return parseHostAlone(text);
  } catch (error) {
    throw new ConfigError(`--host: ${reasonOf(error)}`, { cause: error });
  }
}

function clientOf(name: string, index: number, all: readonly string[]): string {
  if (!CLIENT_NAME.test(name)) {
    throw new ConfigError(
      `--client: "${name}" is no name; use 1 to 64 of A-Z a-z 0-9 . _ -, first a letter or a digit`,
    );
  }
  // Files that mean something else, also where the file system takes no notice of case.
  const file = name.toLowerCase();
  if (['ca', 'server'].includes(file) || file.endsWith('-key')) {
    throw new ConfigError(`--client: "${name}" would be the name of another file; choose another name`);
  }
  if (all.findIndex((one) => one.toLowerCase() === file) !== index) {
    throw new ConfigError(`--client: "${name}" is given twice; give it once`);
  }
  return name;
}

function commonName([first = '']: readonly string[]): string {
  return first.length > MAX_NAME_LENGTH || first.includes(':') ? 'poold server' : first;
}

/** Whether there is no authority yet. */
async function isMissing(folder: string): Promise<boolean> {
  const { cert, key } = pathsOf(folder, 'ca');
  const [hasCert, hasKey] = [await exists(cert), await exists(key)];
  if (hasCert !== hasKey) {
    const [there, missing] = hasCert ? [cert, key] : [key, cert];
    throw new ConfigError(`${missing}: is missing beside ${there}; put it there, or choose another --out`);
  }
  return !hasCert;
}

async function refuseExisting(files: readonly CertificatePaths[]): Promise<void> {
  for (const path of files.flatMap(({ cert, key }) => [cert, key])) if (await exists(path)) throw isThere(path);
}

async function newAuthority(folder: string): Promise<TlsMaterial> {
  const made = await makeAuthority();
  await writeCertificate(pathsOf(folder, 'ca'), made, false);
  return made;
}

function knownAuthority(folder: string): Promise<TlsMaterial> {
  const { cert, key } = pathsOf(folder, 'ca');
  return fileMaterial(cert, key, 'authority');
}

/** What the server's certificate in the folder says; undefined if there is none that could be used. */
async function serverIn(folder: string): Promise<Server | undefined> {
  try {
    const { subjectAltName = '', raw } = new X509Certificate(await readFile(pathsOf(folder, 'server').cert));
    const [, name = ''] = /(?:DNS|IP Address):([^,]+)/.exec(subjectAltName) ?? [];
    return { host: parseHostAlone(name), fingerprint: fingerprintOf(raw) };
  } catch {
    return undefined;
  }
}

function report(folder: string, names: readonly string[], isNew: boolean, server: Server | undefined): string {
  const ca = pathsOf(folder, 'ca');
  const lines = isNew ? [`${ca.cert}, ${ca.key}: the authority; keep its key off both machines, it signs others`] : [];
  for (const name of names) {
    const { cert, key } = pathsOf(folder, name);
    lines.push(`${cert}, ${key}: for ${name === 'server' ? 'the server' : `the client ${name}`}`);
  }
  if (isNew) lines.push('', 'A token for both sides:', '', '  (umask 077; poold token > token.txt)');
  if (server !== undefined) lines.push('', `The fingerprint of the server's certificate: ${server.fingerprint}`);
  for (const name of names) {
    const paths = pathsOf(folder, name);
    const files = `--cert ${quote(paths.cert)} --key ${quote(paths.key)}`;
    if (name === 'server') {
      const where = `--listen 0.0.0.0:${PORT} --public 0.0.0.0:8080`;
      lines.push('', 'On the server:', '');
      lines.push(`  poold server ${where} --token-file token.txt --tls 2 ${files} --client-ca ${quote(ca.cert)}`);
    } else {
      const address = formatAddress({ host: server?.host ?? 'HOST', port: PORT });
      lines.push('', `On the machine of ${name}, here with a service on port 3000:`, '');
      lines.push(
        `  poold client --server ${address} --target 3000 --token-file token.txt --tls 2 --ca ${quote(ca.cert)} ${files}`,
      );
    }
  }
  return lines.join('\n');
}

/** A path as a shell reads it. */
function quote(path: string): string {
  return /^[\w./@%+=:-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
