import test from 'ava';
import { HttpBalancer } from '../../src/balancer/http-balancer.ts';
import { logBalancer } from '../../src/cli/balance/balance-log.ts';
import { manualClock } from '../helpers/clock.ts';
import { logLines } from '../helpers/log-lines.ts';

test('a server that comes and goes all the time does not fill the log, and what it is in the end is said', async (t) => {
  const time = manualClock();
  const { log, lines } = logLines();
  const balancer = new HttpBalancer({ listen: '127.0.0.1:0', servers: ['127.0.0.1:1', '127.0.0.1:2'] });
  logBalancer(balancer, log, time.clock);
  for (let at = 0; at < 500; at += 1) {
    balancer.onDown('127.0.0.1:1', new Error('gone'));
    balancer.onUp('127.0.0.1:1');
  }
  balancer.onDown('127.0.0.1:2', new Error('ill'));
  t.deepEqual(lines, [
    'warn the server is down: gone',
    'info the server is up again',
    'warn the server is down: gone',
    'info the server is up again',
    'warn the server is down: ill',
  ]);
  await time.advance(5000);
  t.deepEqual(lines.slice(5), ['info the server is up again (995 left out)']);
  balancer.destroy();
});
