/** The metrics of a balancer: names, meanings, and where their values are in a snapshot. docs/operations.md has them all. */
import type { HistogramFamily, NumberFamily } from './families.ts';
import type { BalanceSnapshot } from './snapshot.ts';

type Family = NumberFamily<BalanceSnapshot>;
type Server = BalanceSnapshot['servers'][number];

function one(type: Family['type'], name: string, help: string, read: (snapshot: BalanceSnapshot) => number): Family {
  return { type, name, help, read: (snapshot) => [[read(snapshot)]] };
}

/** A counter for each of a closed set of words. */
function byWord(
  label: string,
  name: string,
  help: string,
  read: (snapshot: BalanceSnapshot) => Readonly<Record<string, number>>,
): Family {
  return {
    type: 'counter',
    name,
    help,
    labels: [label],
    read: (snapshot) => Object.entries(read(snapshot)).map(([word, count]) => [count, { [label]: word }]),
  };
}

function ofServers(type: Family['type'], name: string, help: string, read: (server: Server) => number): Family {
  return {
    type,
    name,
    help,
    labels: ['server'],
    read: ({ servers }) => servers.map((server) => [read(server), { server: server.server }]),
  };
}

export const BALANCE_FAMILIES: readonly Family[] = [
  one('gauge', 'poold_balance_ready', 'Whether it listens and a server is up.', ({ ready }) => Number(ready)),
  one('gauge', 'poold_balance_clients', 'Connections of clients.', ({ clients }) => clients),
  one(
    'gauge',
    'poold_balance_requests',
    'Requests that are on, upgraded connections among them.',
    ({ requests }) => requests.on,
  ),
  one(
    'gauge',
    'poold_balance_requests_waiting',
    'Requests that wait for a server to have room.',
    ({ requests }) => requests.waiting,
  ),
  one('counter', 'poold_balance_requests_opened_total', 'Requests that came in.', ({ requests }) => requests.opened),
  byWord(
    'end',
    'poold_balance_requests_closed_total',
    'Requests that are over, by how they ended.',
    ({ requests }) => requests.closed,
  ),
  byWord(
    'status',
    'poold_balance_answers_total',
    'Answers by the class of their status, whoever gave them.',
    ({ requests }) => requests.answers,
  ),
  one('counter', 'poold_balance_retries_total', 'Tries at another server.', ({ requests }) => requests.retries),
  one(
    'counter',
    'poold_balance_received_bytes_total',
    'Bytes of the bodies of requests that are over.',
    ({ bytes }) => bytes.received,
  ),
  one('counter', 'poold_balance_sent_bytes_total', 'Bytes of the bodies of their answers.', ({ bytes }) => bytes.sent),
  byWord(
    'reason',
    'poold_balance_clients_refused_total',
    'Clients that were turned away as they came, or by what they sent.',
    ({ refused }) => refused,
  ),
  ofServers('gauge', 'poold_balance_server_up', 'Whether requests go to a server.', ({ up }) => Number(up)),
  ofServers('gauge', 'poold_balance_server_requests', 'Requests that are at a server.', ({ inUse }) => inUse),
  ofServers('counter', 'poold_balance_server_requests_total', 'Requests sent to a server.', ({ total }) => total),
  ofServers(
    'counter',
    'poold_balance_server_failures_total',
    'Requests that failed at a server.',
    ({ failed }) => failed,
  ),
];

export const BALANCE_HISTOGRAMS: readonly HistogramFamily<BalanceSnapshot>[] = [
  {
    type: 'histogram',
    name: 'poold_balance_request_duration_seconds',
    help: 'How long requests took that are over.',
    read: ({ times }) => times.request,
  },
];
