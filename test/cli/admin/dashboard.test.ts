import { once } from 'node:events';
import test from 'ava';
import type { Page } from 'playwright-core';
import { AdminServer } from '../../../src/cli/admin/admin-server.ts';
import { makePage } from '../../../src/cli/admin/dashboard/assemble.ts';
import { LocalSource } from '../../../src/cli/admin/local-source.ts';
import { Notes } from '../../../src/cli/admin/notes.ts';
import { ADMIN, startAdminPair } from '../../helpers/admin.ts';
import { startBalancer, startHttp } from '../../helpers/balancer.ts';
import { findChromium, startBrowser } from '../../helpers/browser.ts';
import { askHttp } from '../../helpers/http.ts';
import { ask } from '../../helpers/pair.ts';

/** A page, and everything that it should not have done. */
interface Watched {
  readonly page: Page;
  readonly wrong: readonly string[];
}

function watch(page: Page, origin: string): Watched {
  const wrong: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) wrong.push(message.text());
  });
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith('data:')) wrong.push(url);
  });
  return { page, wrong };
}

/** How many pixels of the first chart, the pool's, have the colour of the idle connections' line. */
function linePixels(page: Page, [red, green, blue]: readonly number[]): Promise<number> {
  return page.evaluate(`(() => {
    const canvas = document.querySelector('.chart canvas');
    const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height });
    const context = copy.getContext('2d', { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      const far = [${red}, ${green}, ${blue}].some((part, n) => Math.abs(data[at + n] - part) > 12);
      if (!far && data[at + 3] > 200) count += 1;
    }
    return count;
  })()`);
}

const LOOKS = {
  light: { ground: 'rgb(245, 246, 248)', idle: [10, 125, 85] },
  dark: { ground: 'rgb(14, 18, 23)', idle: [60, 199, 138] },
} as const;

test('the modules of the page share one scope, and none takes the name of another', (t) => {
  const { html } = makePage();
  const script = html.slice(html.lastIndexOf("'use strict';"), html.lastIndexOf('</script>'));
  t.notRegex(script, /^(import|export) /m);
  const names = [...script.matchAll(/^(?:async )?(?:function|class|const|let) (\w+)/gm)].map(([, name]) => name);
  t.true(names.length > 40);
  t.deepEqual(names, [...new Set(names)]);
});

const executable = findChromium();
const inBrowser = executable === undefined ? test.skip : test.serial;
if (executable === undefined)
  console.error('SKIPPED: no Chromium is installed, the dashboard is not tested in a browser');

inBrowser('the dashboard of a balancer shows requests and servers', async (t) => {
  await using target = await startHttp('served');
  await using balancer = await startBalancer([target]);
  const source = new LocalSource('balance');
  source.watchBalancer(balancer);
  const admin = new AdminServer(ADMIN, source, new Notes(() => performance.now()));
  await admin.start();
  t.teardown(() => admin.close());
  await using browser = await startBrowser(executable as string);
  const origin = `http://127.0.0.1:${admin.address?.port}/`;
  const { page, wrong } = watch(await browser.newPage(), origin);
  await page.goto(origin);
  await page.getByText(`Balancer at 127.0.0.1:${balancer.port}`).waitFor();
  for (let at = 0; at < 3; at += 1) await askHttp(balancer.port, '/');
  const row = page.locator('tr', { hasText: `127.0.0.1:${target.port}` });
  await row.locator('td', { hasText: /^3$/ }).waitFor();
  t.regex(await row.innerText(), /up\s+0\s+3\s+0/);
  t.deepEqual(wrong, []);
});

inBrowser('the dashboard shows visits as they are made, in light and in dark', async (t) => {
  await using there = await startAdminPair();
  await using browser = await startBrowser(executable as string);
  const origin = `http://127.0.0.1:${there.port}/`;
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page, wrong } = watch(await browser.newPage({ colorScheme }), origin);
    await page.goto(origin);
    await page.getByText('live', { exact: true }).waitFor();
    t.is(await page.title(), 'poold demo');
    t.is(await page.locator('.tunnel').count(), 2);
    const begun = page.locator('.tunnel').first().getByText('visits begun').locator('xpath=following-sibling::dd');
    const before = Number(await begun.textContent());
    for (let n = 0; n < 3; n += 1) t.is(await ask(there.pair.visit(), 'hello'), 'hello');
    await begun.filter({ hasText: new RegExp(`^${before + 3}$`) }).waitFor();
    const visitor = there.pair.visit();
    visitor.write('hello');
    await once(visitor, 'data');
    // One of the connections is drawn as in use, by both ends.
    const used = page.locator('.lanes .inUse');
    await used.nth(1).waitFor();
    visitor.end();
    await used.first().waitFor({ state: 'detached' });
    const pixels = () => linePixels(page, LOOKS[colorScheme].idle);
    const drawn = await pixels();
    const deadline = performance.now() + 15_000;
    let grown = drawn;
    // A second is about six pixels wide.
    while (grown < drawn + 12 && performance.now() < deadline) grown = await pixels();
    t.true(drawn > 0 && grown >= drawn + 12, `${drawn}, then ${grown}`);
    const legend = await page.locator('.chart').first().locator('dd').first().textContent();
    t.regex(legend ?? '', /^\d+$/);
    const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    t.is(ground, LOOKS[colorScheme].ground);
    t.deepEqual(wrong, []);
    await page.close();
  }
});

inBrowser('it fits a phone and a wide screen without scrolling sideways', async (t) => {
  await using there = await startAdminPair();
  await using browser = await startBrowser(executable as string);
  const page = await browser.newPage();
  for (const width of [360, 800, 1600]) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(`http://127.0.0.1:${there.port}/`);
    await page.getByText('live', { exact: true }).waitFor();
    t.is(await page.evaluate('document.documentElement.scrollWidth'), width);
  }
});

inBrowser('it says when it is stale, and goes on by itself when it can', async (t) => {
  await using there = await startAdminPair();
  await using browser = await startBrowser(executable as string);
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${there.port}/`);
  await page.getByText('live', { exact: true }).waitFor();
  there.admin.close();
  await page.getByText(/^stale: .*, last heard \d\d:\d\d:\d\d; connecting again$/).waitFor();
  const again = new AdminServer(
    { ...ADMIN, listen: { host: '127.0.0.1', port: there.port } },
    there.source,
    there.notes,
  );
  await again.start();
  await page.getByText('live', { exact: true }).waitFor();
  again.close();
  t.pass();
});

inBrowser('texts from the wire are shown as text, and the token is asked for', async (t) => {
  const token = 'the-admin-token-of-this-test';
  await using there = await startAdminPair({ tokens: [token] });
  await using browser = await startBrowser(executable as string);
  const origin = `http://127.0.0.1:${there.port}/`;
  const { page, wrong } = watch(await browser.newPage(), origin);
  const markup = '<img src=x onerror="document.title=\'taken\'">';
  there.notes.add({ at: new Date().toISOString(), level: 'warn', text: markup, fields: { [markup]: markup } });
  await page.goto(origin);
  const field = page.getByLabel('This address wants its admin token');
  await field.fill(token);
  await field.press('Enter');
  await page.getByText('live', { exact: true }).waitFor();
  await page.getByText(markup).first().waitFor();
  t.is(await page.locator('img').count(), 0);
  t.not(await page.title(), 'taken');
  // The browser tells of the answer 401 itself.
  t.deepEqual(
    wrong.filter((text) => !text.includes('401')),
    [],
  );
});
