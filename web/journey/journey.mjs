// Walks through the app in a real browser against a running server, as a person would: signs in, sees
// values move, opens a trend, zooms, pans, stops it. Fails with a sentence that says what was not so.
//
//   PARX_URL       where the app is, such as http://127.0.0.1:8800 (an address that signs in by itself works too)
//   PARX_USER      name to sign in with        PARX_PASSWORD  its password
//   PARX_SHOTS     folder for pictures (left out: no pictures)
//   PARX_TAGS      signals to trend, by comma (left out: the first two in the list whose values move)
//   PARX_CHROMIUM  the browser's program (default /usr/bin/chromium)
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const url = process.env.PARX_URL ?? process.argv[2] ?? 'http://127.0.0.1:8800'
const user = process.env.PARX_USER ?? 'admin'
const password = process.env.PARX_PASSWORD ?? ''
const shots = process.env.PARX_SHOTS ?? ''
const origin = new URL(url).origin
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const wcag = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
const strangers = []
const complaints = []

if (shots) mkdirSync(shots, { recursive: true })

const browser = await chromium.launch({
  executablePath: process.env.PARX_CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
})
let page
let failed = false
try {
  const context = await browser.newContext({ viewport: { width: 1360, height: 800 }, colorScheme: 'light' })
  page = await context.newPage()
  watch(page)
  await step('sign in', signIn)
  await step('see the signals move', signals)
  const tags = await step('choose signals', choose)
  await step('draw the trend', () => trend(tags))
  await step('zoom, pan and stop the trend', gestures)
  await step('show the trend over each other and as a table', modes)
  await step('see the sources', sources)
  await step('fit a narrow window', () => narrow(tags))
  if (password !== '') {
    await step('be led back after the session has ended', ended)
    await step('sign out and come back to where one was', leave)
  }
  if (strangers.length > 0) throw new Error(`requests left the origin: ${strangers.join(', ')}`)
  if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join(' | ')}`)
} catch (error) {
  failed = true
  console.error(`FAILED: ${error.message}`)
  if (shots && page) await page.screenshot({ path: join(shots, 'failed.png') }).catch(() => {})
} finally {
  await browser.close()
}
if (failed) process.exit(1)
console.log('journey: all went well')

async function step(name, act) {
  const begun = Date.now()
  try {
    const answer = await act()
    console.log(`ok  ${name} (${Date.now() - begun} ms)`)
    return answer
  } catch (error) {
    throw new Error(`${name}: ${error.message}`, { cause: error })
  }
}

function watch(target) {
  target.on('request', (request) => {
    const to = new URL(request.url())
    if (!['data:', 'blob:'].includes(to.protocol) && to.origin !== origin) strangers.push(request.url())
  })
  target.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(origin).host) strangers.push(socket.url())
  })
  target.on('pageerror', (error) => complaints.push(error.message))
  target.on('console', (message) => {
    // A browser reports each refused request by itself; the journey signs in and out on purpose.
    if (message.type() === 'error' && !/status of 401/.test(message.text())) complaints.push(message.text())
  })
}

async function signIn() {
  await page.goto(url)
  const name = page.getByLabel('Name')
  await name.or(page.getByRole('treegrid', { name: 'Signals' })).first().waitFor()
  if (!(await name.isVisible())) return
  await picture('sign-in')
  await name.fill(user)
  await page.getByLabel('Password').fill('surely-not-the-password')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor()
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL('**/signals**', { timeout: 15_000 })
}

async function signals() {
  await page.getByRole('treegrid', { name: 'Signals' }).waitFor()
  await page.getByText('Live', { exact: true }).waitFor({ timeout: 15_000 })
  const before = await values()
  if (before.size === 0) throw new Error('the list shows no signal')
  await until('no value in the list has moved in 15 s', 15_000, async () => (await moved(before)).length >= 1)
  await page.waitForTimeout(1200)
  await picture('signals')
}

/** What the cells show, by tag. */
async function values() {
  const rows = await page.$$eval('.signal-body .signal-row', (elements) =>
    elements.map((row) => [
      row.querySelector('[data-column=Tag] a')?.getAttribute('title') ?? '',
      row.querySelector('[data-column=Value] .value')?.textContent ?? '',
    ]),
  )
  return new Map(rows)
}

async function moved(before) {
  const now = await values()
  return [...now].filter(([tag, value]) => before.has(tag) && before.get(tag) !== value && /^[−\d]/.test(value)).map(([tag]) => tag)
}

async function choose() {
  let tags = (process.env.PARX_TAGS ?? '').split(',').filter((tag) => tag !== '')
  if (tags.length === 0) {
    const before = await values()
    await until('fewer than two numbers in sight have moved in 20 s', 20_000, async () => (await moved(before)).length >= 2)
    await page.waitForTimeout(1000)
    tags = (await moved(before)).slice(0, 3)
  }
  if (tags.length < 2) throw new Error(`fewer than two signals move: ${tags.join(', ') || 'none'}`)
  // One by search and pointer, the others by the keyboard alone.
  const search = page.getByRole('searchbox', { name: 'Search signals' })
  await search.fill(tags[0])
  await page.waitForURL(/[?&]q=/)
  await page.getByRole('checkbox', { name: `Select ${tags[0]}` }).check()
  await search.fill('')
  await page.waitForURL((at) => !at.search.includes('q='))
  const grid = page.getByRole('treegrid', { name: 'Signals' })
  for (const tag of tags.slice(1)) {
    await page.getByRole('checkbox', { name: `Select ${tag}`, exact: true }).scrollIntoViewIfNeeded()
    await grid.focus()
    await page.keyboard.press('Home')
    for (let i = 0; i < 2000; i += 1) {
      const active = await grid.getAttribute('aria-activedescendant')
      const here = await page.$eval(`#${active}`, (row) => row.querySelector('a')?.getAttribute('title') ?? '').catch(() => '')
      if (here === tag) break
      await page.keyboard.press('ArrowDown')
    }
    await page.keyboard.press('Enter')
  }
  await page.getByRole('link', { name: `Trend ${tags.length} signals` }).click()
  await page.waitForURL('**/trend**')
  return tags
}

async function trend(tags) {
  for (const tag of tags) {
    if (!decodeURIComponent(page.url()).includes(tag)) throw new Error(`the address does not name ${tag}: ${page.url()}`)
  }
  await page.locator('.trend-host canvas').first().waitFor()
  await until('no history was drawn in 30 s', 30_000, async () => Number(await shown('points')) > 20)
  const last = Number(await shown('lastTime'))
  const pixels = await ink()
  if (pixels.inked < 200) throw new Error(`the canvas is as good as empty: ${pixels.inked} pixels`)
  await until('the newest sample on the chart is the same after 15 s', 15_000, async () => Number(await shown('lastTime')) > last)
  await until('the picture is the same after 15 s', 15_000, async () => (await ink()).sum !== pixels.sum)
  await hover(0.62)
  await page.locator('.trend-reading:visible').first().waitFor()
  await picture('trend')
}

async function gestures() {
  const host = page.locator('.trend-host')
  const wide = await span()
  await host.focus()
  await page.keyboard.press('+')
  await until('the + key did not zoom in', 5_000, async () => (await span()) < wide * 0.6)
  await until('the zoomed range did not reach the address', 5_000, () => /range=/.test(page.url()))
  await page.keyboard.press('-')
  await until('the − key did not zoom out', 5_000, async () => Math.abs((await span()) / wide - 1) < 0.05)

  await hover(0.4)
  await page.mouse.wheel(0, -700)
  await until('the wheel did not zoom in', 5_000, async () => (await span()) < wide * 0.6)
  await until('a zoom into the past still follows', 5_000, async () => (await shown('live')) === 'false')
  await page.waitForURL(/from=.*to=/)

  const from = Number(await shown('from'))
  const box = await host.boundingBox()
  await page.mouse.move(box.x + box.width * 0.4, box.y + box.height * 0.5)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.5, { steps: 8 })
  await page.mouse.up()
  await until('dragging did not pan', 5_000, async () => Number(await shown('from')) < from)
  const dragged = Number(await shown('from'))
  await page.keyboard.press('Shift+ArrowLeft')
  await until('Shift with an arrow did not pan', 5_000, async () => Number(await shown('from')) < dragged)
  await page.waitForTimeout(600)
  await picture('trend-zoomed', { themes: ['light'] })

  await host.dblclick({ position: { x: box.width * 0.5, y: 40 } })
  await until('a double click did not go back to now', 5_000, async () => (await shown('live')) === 'true')
  await host.focus()
  await page.keyboard.press(' ')
  await until('Space did not stop the trend', 5_000, async () => (await shown('live')) === 'false')
  const stopped = await shown('to')
  await page.waitForTimeout(1500)
  if ((await shown('to')) !== stopped) throw new Error('the stopped trend moved on')
  await page.keyboard.press(' ')
  await until('Space did not resume', 5_000, async () => (await shown('live')) === 'true')
}

async function modes() {
  const lanes = await page.locator('.lane').count()
  await page.getByRole('button', { name: 'Overlay' }).click()
  await until('overlay has as many lanes as before', 5_000, async () => (await page.locator('.lane').count()) < lanes)
  await page.getByRole('button', { name: /^Last / }).click()
  await page.getByRole('group', { name: 'Up to now' }).getByRole('button', { name: 'Last 1 hour' }).click()
  await page.waitForURL(/range=1h/)
  await until('the hour has no samples', 10_000, async () => Number(await shown('points')) > 20)
  await page.waitForTimeout(1000)
  await picture('trend-overlay')
  const add = page.getByRole('combobox', { name: 'Add a signal' })
  await add.click()
  await page.getByRole('option').first().waitFor()
  await picture('trend-add', { themes: ['light'] })
  const rows = page.getByRole('region', { name: 'Legend' }).getByRole('row')
  const many = await rows.count()
  await page.keyboard.press('Enter')
  await until('the chosen signal was not added', 5_000, async () => (await rows.count()) === many + 1)
  await page.getByRole('button', { name: /^Remove / }).last().click()
  await until('the signal was not removed', 5_000, async () => (await rows.count()) === many)
  await page.getByRole('button', { name: 'Show as table' }).click()
  await page.getByRole('columnheader', { name: 'Time' }).first().waitFor()
  if ((await page.locator('.sample-table tbody tr').count()) < 10) throw new Error('the table has hardly a row')
  await picture('trend-table')
}

async function sources() {
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'Sources' }).click()
  await page.getByRole('heading', { name: 'Sources' }).waitFor()
  await page.getByRole('table').or(page.getByText('No source is configured yet.')).first().waitFor()
  await picture('sources')
}

async function narrow(tags) {
  await page.setViewportSize({ width: 390, height: 780 })
  for (const [name, path] of [
    ['signals', '/signals'],
    ['trend', `/trend?tags=${tags.map(encodeURIComponent).join(',')}&range=15m`],
    ['sources', '/sources'],
  ]) {
    await page.goto(origin + path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.waitForTimeout(1500)
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    if (over > 0) throw new Error(`${path} is ${over} px too wide`)
    await picture(`narrow-${name}`, { themes: ['light'] })
  }
  await page.setViewportSize({ width: 1360, height: 800 })
}

async function ended() {
  await page.goto(`${origin}/sources`)
  await page.getByRole('heading', { name: 'Sources' }).waitFor()
  await page.context().clearCookies()
  await page.waitForURL('**/login?next=/sources', { timeout: 10_000 })
  await enter()
}

async function leave() {
  await page.goto(`${origin}/sources`)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL('**/login**')
  await page.goto(`${origin}/sources`)
  await page.waitForURL('**/login?next=/sources')
  await enter()
}

async function enter() {
  await page.getByLabel('Name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Sources' }).waitFor()
}

/** One of the facts that the chart states about what it shows. */
async function shown(fact) {
  return page.locator('.trend-host').evaluate((host, key) => host.dataset[key] ?? '', fact)
}

async function span() {
  return Number(await shown('to')) - Number(await shown('from'))
}

/** How much is drawn, and a number that changes with the picture. */
async function ink() {
  return page.locator('.trend-host canvas').first().evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let inked = 0
    let sum = 0
    for (let i = 3; i < data.length; i += 4) {
      if (data[i] === 0) continue
      inked += 1
      sum = (sum * 31 + i + data[i - 1]) % 2_147_483_647
    }
    return { inked, sum }
  })
}

async function hover(share) {
  const box = await page.locator('.trend-host').boundingBox()
  await page.mouse.move(box.x + box.width * share, box.y + box.height * 0.45)
}

async function until(otherwise, ms, holds) {
  const end = Date.now() + ms
  while (Date.now() < end) {
    if (await holds()) return
    await page.waitForTimeout(100)
  }
  throw new Error(otherwise)
}

/** The screen in both themes, each checked for accessibility. */
async function picture(name, { themes = ['light', 'dark'] } = {}) {
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme })
    await page.waitForTimeout(350)
    if (shots) await page.screenshot({ path: join(shots, `${name}-${theme}.png`) })
    const violations = await checkAccess()
    if (violations.length > 0) throw new Error(`accessibility of ${name}, ${theme}: ${violations.join('; ')}`)
  }
  await page.emulateMedia({ colorScheme: 'light' })
}

/** Put in by the debugger, because the content policy rightly refuses injected scripts. */
async function checkAccess() {
  const session = await page.context().newCDPSession(page)
  await session.send('Runtime.evaluate', { expression: `${axe};undefined` })
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    awaitPromise: true,
    returnByValue: true,
    expression: `axe.run(document, { runOnly: ${JSON.stringify(wcag)} }).then((r) => r.violations.map((v) =>
      v.id + ' (' + v.nodes.length + '): ' + (v.nodes[0] ? v.nodes[0].target.join(' ') : '')))`,
  })
  await session.detach()
  if (exceptionDetails) throw new Error(`axe did not run: ${exceptionDetails.text}`)
  return result.value
}
