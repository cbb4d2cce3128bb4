// A day at the desk in a real browser, against a service that `api/tests/it/console.rs` has started and filled.
// CONSOLE_URL, CHROMIUM, PASSWORD and FRAME (a picture that violates, in base64) come from there. Ends with an error when anything is not as it should be.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const base = process.env.CONSOLE_URL;
const password = process.env.PASSWORD;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const profile = mkdtempSync(join(tmpdir(), 'console-e2e-'));
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

/** What no page may do: throw, break its Content Security Policy, ask another host. */
const wrong = [];
async function open(browser) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => wrong.push(`thrown: ${error.message}`));
  page.on('console', (line) => /Content Security Policy|Refused to/.test(line.text()) && wrong.push(line.text()));
  page.on('request', (request) => request.url().startsWith(base) || wrong.push(`asked ${request.url()}`));
  return page;
}

async function signIn(page, login) {
  await page.goto(`${base}/console/sign-in`);
  await page.getByLabel('Login').fill(login);
  await page.locator('input[name=password]').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { level: 1, name: `Hello ${login}` }).waitFor();
}

/** Serious findings of axe on the page as it is now. */
async function accessible(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
  const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const words = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).slice(0, 3).join(', ')}`);
  assert.deepEqual(words, [], `axe, ${where}`);
}

const api = async (path, body, method = body ? 'POST' : 'GET') => {
  const answer = await fetch(`${base}${path}`, { method, ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
};
/** Follows a link of the navigation. */
const go = (page, screen) => page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: screen, exact: true }).click();
const caseOf = (page) => new URL(page.url()).pathname.split('/').pop();
const claimed = (page) => page.getByTestId('lease').waitFor();
const step = (name) => console.log(`${((Date.now() - began) / 1000).toFixed(1)} s  ${name}`);
const began = Date.now();

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: [...flags, `--crash-dumps-dir=${profile}`] });
try {
  const mia = await open(browser);

  step('a wrong password is told, a right one lets in');
  await mia.goto(`${base}/console/sign-in`);
  await mia.getByLabel('Login').fill('mia');
  await mia.locator('input[name=password]').fill('not the password');
  await mia.getByRole('button', { name: 'Sign in' }).click();
  await mia.getByText('Login, password or code are wrong.').waitFor();
  await accessible(mia, 'sign in');
  await signIn(mia, 'mia');

  step('a reviewer is offered no policy, and refused it by its address');
  assert.equal(await mia.getByRole('link', { name: 'Policy' }).count(), 0);
  await mia.goto(`${base}/console/policy`);
  await mia.getByText('This screen is not for your role').waitFor();
  await go(mia, 'Overview');

  step('a lead changes the policy, backtests it, and puts it into force');
  const advertisement = { text: 'fake:spam=0.75 limited offer', conversation: 'room' };
  assert.equal((await api('/v1/check', { ...advertisement, actor: 'early' })).action, 'allow');
  const lea = await open(browser);
  await signIn(lea, 'lea');
  await go(lea, 'Policy');
  const editor = lea.getByRole('textbox', { name: 'Text of the policy' });
  await editor.waitFor();
  const before = await editor.inputValue();
  await editor.fill(before.replace('spam = 0.80', 'spam = '));
  await lea.getByRole('alert').getByText(/^Line \d+, column \d+$/).waitFor();
  await editor.fill(before.replace('spam = 0.80', 'spam = 0.70'));
  await lea.getByText(/^\d+ rules, no mistake$/).waitFor();
  await lea.getByRole('group', { name: 'Difference' }).getByText('+ spam = 0.70').waitFor();
  await lea.getByLabel('Note').fill('Advertisements get through');
  await lea.getByRole('button', { name: 'Keep as a new version' }).click();
  await lea.getByRole('heading', { name: 'Version 1' }).waitFor();
  await lea.getByRole('button', { name: 'Backtest on the last 7 days' }).click();
  await lea.getByText('done', { exact: true }).waitFor();
  await lea.getByText('Where the draft is harder').waitFor();
  await accessible(lea, 'backtest');
  await lea.getByRole('tab', { name: 'Edit' }).click();
  await lea.getByRole('button', { name: 'Go live' }).click();
  const going = lea.getByRole('dialog');
  await going.getByRole('radio', { name: 'Everybody' }).check();
  await accessible(lea, 'going live');
  await going.getByRole('button', { name: 'Go live' }).click();
  await lea.getByText('Version 1 is in force.').waitFor();

  step('a message and a frame that violate are cases, without a reload');
  const count = () => mia.getByTestId('open').textContent();
  const more = (than) => mia.waitForFunction((than) => Number(document.querySelector('[data-testid=open]')?.textContent) > than, than);
  await more(0);
  const waiting = Number(await count());
  assert.equal((await api('/v1/check', { ...advertisement, actor: 'newcomer' })).action, 'remove');
  await more(waiting);
  await api('/v1/calls', { id: 'call-1', participants: ['camera'] });
  const frame = Buffer.from(process.env.FRAME, 'base64');
  const sent = await fetch(`${base}/v1/calls/call-1/participants/camera/frames`, { method: 'POST', headers: { 'content-type': 'image/png' }, body: frame });
  assert.equal(sent.status, 202);
  await more(waiting + 1);
  await accessible(mia, 'overview');

  step('the palette claims the next case');
  await mia.keyboard.press('Control+k');
  await mia.getByRole('combobox').fill('next');
  await accessible(mia, 'palette');
  await mia.keyboard.press('Enter');
  await claimed(mia);
  const first = caseOf(mia);

  step('keys are off while typing');
  await mia.getByLabel('Note for colleagues').focus();
  await mia.keyboard.type('s1n');
  assert.equal(await mia.getByLabel('Note for colleagues').inputValue(), 's1n');
  await mia.keyboard.press('Escape');

  step('decide by keyboard');
  await mia.keyboard.press('8');
  await mia.locator('.choice[aria-pressed=true]', { hasText: 'Suspend' }).waitFor();
  await accessible(mia, 'case');
  await mia.keyboard.press('?');
  await mia.getByRole('dialog', { name: 'Keys of a case' }).waitFor();
  await accessible(mia, 'keys');
  await mia.keyboard.press('Escape');
  await mia.getByRole('dialog').waitFor({ state: 'detached' });
  await mia.keyboard.press('s');
  await mia.getByText('This case is decided.').waitFor();
  const [decision] = (await api(`/v1/decisions?case=${first}`)).items;
  assert.deepEqual([decision.ruling, decision.action, decision.reviewer, decision.note], ['act', 'suspend', 'mia', 's1n']);

  step('and undo by keyboard');
  await mia.keyboard.press('z');
  await claimed(mia);
  assert.equal(caseOf(mia), first);
  assert.ok((await api(`/v1/decisions/${decision.id}`)).overturned_at);

  step('nobody else gets the same case');
  const tom = await open(browser);
  await signIn(tom, 'tom');
  await tom.goto(`${base}/console/review`);
  await claimed(tom);
  assert.notEqual(caseOf(tom), first);
  await tom.goto(`${base}/console/cases/${first}`);
  await tom.getByText('mia has this case').first().waitFor();
  await tom.getByText('mia looks at it, too').waitFor();

  step('pictures are blurred and grey until asked for');
  const [picture] = (await api('/v1/cases?state=open')).items.filter(({ graphic }) => graphic);
  await tom.goto(`${base}/console/cases/${picture.id}`);
  const shown = tom.getByRole('img', { name: /^Evidence/ }).first();
  await shown.waitFor();
  assert.match(await shown.evaluate((image) => getComputedStyle(image).filter), /blur\(20px\) grayscale\(1\)/);
  await tom.keyboard.press('b');
  await tom.keyboard.press('g');
  // Shown as it is, and opened by its signed address.
  await tom.waitForFunction((image) => image.complete && image.naturalWidth > 0 && getComputedStyle(image).filter === 'none', await shown.elementHandle());

  step('ten cases by keyboard alone');
  const worked = new Set();
  for (let round = 0; round < 10; round++) {
    const here = caseOf(mia);
    worked.add(here);
    const [key, name] = round % 2 ? ['3', 'Warn'] : ['1', 'No violation'];
    await mia.keyboard.press(key);
    await mia.locator('.choice[aria-pressed=true]', { hasText: name }).waitFor();
    await mia.keyboard.press('n');
    await mia.waitForURL((url) => !url.pathname.endsWith(here));
    await claimed(mia);
  }
  const made = (await api('/v1/decisions?reviewer=mia&limit=20')).items.filter(({ overturned_at: undone }) => !undone);
  assert.deepEqual([made.length, worked.size], [10, 10]);
  assert.deepEqual(made.map(({ ruling, action }) => action ?? ruling).sort(), [...Array(5).fill('dismiss'), ...Array(5).fill('warn')]);

  step('an appeal overturns one; whoever decided never gets it');
  const appealed = made.find(({ ruling }) => ruling === 'act');
  const appeal = await api('/v1/appeals', { actor: appealed.subject, decision: appealed.id, text: 'I was quoting.' });
  await mia.goto(`${base}/console/cases/${appeal.case}`);
  await mia.getByRole('button', { name: 'Claim this case' }).click();
  await mia.getByText('Somebody else has to take it').waitFor();
  const ada = await open(browser);
  await signIn(ada, 'ada');
  await go(ada, 'Appeals');
  await ada.getByRole('link', { name: 'Open the case' }).click();
  await ada.getByRole('button', { name: 'Claim this case' }).click();
  await claimed(ada);
  await ada.getByText('The decision they object to').waitFor();
  await ada.keyboard.press('1');
  await ada.keyboard.press('s');
  await ada.getByText('This case is decided.').waitFor();
  assert.equal((await api(`/v1/appeals/${appeal.id}`)).state, 'overturned');

  step('the audit holds');
  await go(ada, 'Audit');
  await ada.getByRole('button', { name: 'Check the chain' }).click();
  await ada.getByText('The chain holds').waitFor();

  step('every version of an edited message is on its case, with what changed');
  const [edited] = (await api('/v1/cases?subject=editor')).items;
  await ada.goto(`${base}/console/cases/${edited.id}`);
  const versions = ada.getByTestId('versions');
  await versions.locator('li').nth(2).waitFor();
  assert.equal(await versions.locator('li').count(), 3);
  assert.equal(await versions.locator('li').nth(2).locator('ins').textContent(), 'good evening, friends');
  await versions.getByText('in this case').waitFor();

  step('a lead makes a bank, and a hash is known to it');
  await go(lea, 'Banks');
  await lea.getByRole('button', { name: 'New bank' }).first().click();
  const making = lea.getByRole('dialog');
  await making.getByLabel('Bank').fill('removed');
  await accessible(lea, 'new bank');
  await making.getByRole('button', { name: 'Save' }).click();
  await making.waitFor({ state: 'detached' });
  await lea.getByLabel('PDQ hash').fill('0f'.repeat(32));
  await lea.getByRole('button', { name: 'Add the hash' }).click();
  await lea.getByText('0f0f0f0f0f0f0f0f…').waitFor();

  step('what somebody does by hand is on every wall, also after a reload');
  await go(lea, 'Live wall');
  await lea.getByRole('button', { name: 'Mute camera' }).click();
  await lea.getByRole('dialog').getByRole('button', { name: 'Mute' }).click();
  await go(ada, 'Live wall');
  await ada.getByText('muted', { exact: true }).waitFor();
  await ada.reload();
  await ada.getByText('muted', { exact: true }).waitFor();

  step('an admin of two tenants goes to the other one and back');
  await ada.getByRole('button', { name: 'Tenant default: go to another one' }).click();
  await ada.getByRole('menuitem', { name: 'globex' }).click();
  await ada.getByText('You are in globex now.').waitFor();
  await go(ada, 'Live wall');
  await ada.getByText('No call runs').waitFor();
  await ada.getByRole('button', { name: 'Tenant globex: go to another one' }).click();
  await ada.getByRole('menuitem', { name: 'default' }).click();
  await ada.getByText('You are in default now.').waitFor();

  step('axe finds nothing serious on any screen, light and dark; nothing sticks out, down to a tablet');
  const screens = ['', 'queues', 'queues/threats', `cases/${caseOf(mia)}`, `cases/${picture.id}`, `cases/${edited.id}`, 'wall', 'reports', 'appeals', 'search?q=fool', 'history', 'audit', 'numbers', 'statements', 'matching', 'banks', 'policy', 'strikes', 'quality', 'settings', 'settings/people', 'settings/keys', 'settings/webhooks', 'wellness', 'account', `people/${appealed.subject}`];
  const settled = async () => {
    await ada.getByRole('heading', { level: 1 }).first().waitFor();
    await ada.waitForFunction(() => !document.querySelector('[aria-busy=true]'));
  };
  const judge = async (screen) => {
    await settled();
    for (const colorScheme of ['light', 'dark']) {
      await ada.emulateMedia({ colorScheme });
      await ada.waitForFunction((scheme) => document.documentElement.dataset.mantineColorScheme === scheme, colorScheme);
      await accessible(ada, `${screen}, ${colorScheme}`);
    }
    for (const [width, height] of [[1024, 768], [820, 1180], [1280, 860]]) {
      await ada.setViewportSize({ width, height });
      // Charts follow the window a moment later.
      const fits = ada.waitForFunction(() => document.documentElement.scrollWidth <= window.innerWidth, null, { timeout: 10_000 });
      await fits.catch(() => assert.fail(`${screen} is too wide at ${width}`));
    }
  };
  for (const screen of screens) {
    await ada.goto(`${base}/console/${screen}`);
    await judge(screen);
    if (screen !== 'policy') continue;
    for (const tab of ['Versions', 'Backtests', 'Tune a cut', 'Breaker']) {
      await ada.getByRole('tab', { name: tab }).click();
      await judge(`policy, ${tab}`);
    }
  }
  assert.deepEqual(wrong, []);
  step('done');
} catch (error) {
  // What the pages showed, for whoever only has the output.
  for (const page of browser.contexts().flatMap((context) => context.pages())) {
    const words = await page.locator('body').innerText({ timeout: 2000 }).catch((gone) => gone.message);
    console.error(`${page.url()}\n${words.replace(/\s+/g, ' ').slice(0, 600)}`);
  }
  throw error;
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
