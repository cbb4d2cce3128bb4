// Pictures of the main screens, in both colours and several sizes, of a service that runs: `chaperone demo --keep`, say.
// CONSOLE_URL, CHROMIUM; OUT is the folder; SCREENS picks some of them by name.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const base = process.env.CONSOLE_URL ?? 'http://127.0.0.1:8080';
const out = process.env.OUT ?? 'screens';
const wanted = process.env.SCREENS?.split(',');
const sizes = (process.env.SIZES ?? '1280x800,1600x1000,1024x768,820x1180').split(',').map((size) => size.split('x').map(Number));
const schemes = (process.env.SCHEMES ?? 'light,dark').split(',');
const profile = mkdtempSync(join(tmpdir(), 'console-screens-'));
mkdirSync(out, { recursive: true });

const get = async (path) => (await fetch(`${base}${path}`)).json();
const cases = (await get('/v1/cases?limit=100')).items;
const about = (subject) => cases.find((of) => of.subject === subject)?.id ?? cases[0]?.id;

/** Name, address, and what is pressed before the picture is taken. */
const screens = [
  ['overview', ''],
  ['queues', 'queues'],
  ['queue', `queues/${cases[0]?.queue ?? 'general'}`],
  ['case', `cases/${about('bestdeals')}`, async (page) => {
    const claim = page.getByRole('button', { name: 'Claim this case' });
    if (await claim.isEnabled().catch(() => false)) await claim.click();
    await page.waitForTimeout(500);
    await page.keyboard.press('3');
  }],
  ['frames', `cases/${about('olaf')}`],
  ['wall', 'wall'],
  ['reports', 'reports'],
  ['appeals', 'appeals'],
  ['search', 'search?q=prize'],
  ['history', 'history'],
  ['audit', 'audit'],
  ['numbers', 'numbers'],
  ['matching', 'matching', async (page) => {
    await page.getByRole('textbox', { name: 'First' }).fill('ana');
    await page.getByRole('textbox', { name: 'Second' }).fill('vera');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.waitForTimeout(800);
  }],
  ['policy', 'policy'],
  ['tune', 'policy', (page) => page.getByRole('tab', { name: 'Tune a cut' }).click()],
  ['backtests', 'policy', (page) => page.getByRole('tab', { name: 'Backtests' }).click()],
  ['banks', 'banks'],
  ['statements', 'statements'],
  ['strikes', 'strikes'],
  ['quality', 'quality'],
  ['settings', 'settings'],
  ['people', 'settings/people'],
  ['keys', 'settings/keys'],
  ['webhooks', 'settings/webhooks'],
  ['wellness', 'wellness'],
  ['account', 'account'],
  ['person', 'people/bestdeals'],
];

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--crash-dumps-dir=${profile}`] });
try {
  for (const colorScheme of schemes) {
    const context = await browser.newContext({ colorScheme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    page.setDefaultTimeout(8000);
    page.on('pageerror', (error) => console.error(`thrown: ${error.message}`));
    for (const [name, path, act] of screens) {
      if (wanted && !wanted.includes(name)) continue;
      await page.setViewportSize({ width: sizes[0][0], height: sizes[0][1] });
      await page.goto(`${base}/console/${path}`);
      await page.getByRole('heading', { level: 1 }).first().waitFor();
      await page.waitForFunction(() => !document.querySelector('[aria-busy=true]'));
      await act?.(page);
      for (const [width, height] of sizes) {
        await page.setViewportSize({ width, height });
        await page.waitForTimeout(name === 'overview' ? 4000 : 350);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (over > 0) console.error(`${name} is ${over} pixels too wide at ${width}`);
        await page.screenshot({ path: join(out, `${name}-${width}-${colorScheme}.png`) });
      }
    }
    await context.close();
  }
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
