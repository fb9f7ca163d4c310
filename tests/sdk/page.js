// What a page does with a client in the browser, unmodified. The query says which client, how, where to, and as whom.
const asked = Object.fromEntries(new URLSearchParams(location.search))
const { sdk, mode, url, key, prefix } = asked
const user = `${prefix}-user`
const browser = `${prefix}-browser`
const day = new Date('2025-03-01T10:00:00.123Z')
const order = { total: 29.33, products: [{ sku: 'A-1', quantity: 2 }] }
const traits = { email: `${prefix}@shop.example`, plan: 'gold', age: 41 }
const account = { name: 'Acme', employees: 12 }

const errors = []
const noted = console.error
console.error = (...words) => {
  errors.push(words.map(String).join(' '))
  noted(...words)
}
addEventListener('error', (event) => errors.push(String(event.message)))
addEventListener('unhandledrejection', (event) => errors.push(String(event.reason)))

// Each scenario begins as somebody whom the browser does not know.
localStorage.clear()
sessionStorage.clear()
for (const cookie of document.cookie.split('; ')) document.cookie = `${cookie.split('=')[0]}=; max-age=0; path=/`

// Each answers the anonymous id that came after the reset.
const clients = {
  async segment() {
    const host = new URL(url)
    const named = { apiHost: `${host.host}/v1`, protocol: host.protocol.slice(0, -1) }
    const strategies = {
      // Where to send events is what the server answers at the start.
      default: {},
      // Four events fill a batch; the rest goes when the page does.
      batch: { ...named, deliveryStrategy: { strategy: 'batching', config: { size: 4, timeout: 600_000 } } },
      // The other way to keep it until it is sent: a request that outlives the page.
      keepalive: { ...named, deliveryStrategy: { config: { keepalive: true } } },
    }
    const analytics = AnalyticsNext.AnalyticsBrowser.load(
      { writeKey: key, cdnURL: url },
      { integrations: { 'Segment.io': strategies[mode] } },
    )
    await analytics.setAnonymousId(browser)
    await Promise.all([
      analytics.track('Product Viewed', { sku: 'A-1', price: 19.99 }),
      analytics.page(null, 'Home', { url: 'https://shop.example/' }),
      analytics.identify(user, traits),
      analytics.track('Order Completed', order, { timestamp: day }),
      analytics.group(`${prefix}-acme`, account),
      analytics.alias(user, browser),
    ])
    await analytics.reset()
    await analytics.track('Seen Again')
    return (await analytics.user()).anonymousId()
  },

  async rudder() {
    const queues = {
      default: {},
      batch: { queueOptions: { batch: { enabled: true, maxItems: 4, flushInterval: 500 } } },
      // Four events fill a beacon; the rest goes when the page does.
      beacon: { useBeacon: true, beaconQueueOptions: { maxItems: 4, flushQueueInterval: 600_000 } },
    }
    const analytics = new rudderanalytics.RudderAnalytics()
    analytics.load(key, url, { configUrl: url, logLevel: 'ERROR', polyfillIfRequired: false, ...queues[mode] })
    await new Promise((ready) => analytics.ready(ready))
    analytics.setAnonymousId(browser)
    analytics.track('Product Viewed', { sku: 'A-1', price: 19.99 })
    analytics.page(null, 'Home', { url: 'https://shop.example/' })
    analytics.identify(user, traits)
    analytics.track('Order Completed', order, { originalTimestamp: day.toISOString() })
    analytics.group(`${prefix}-acme`, account)
    analytics.alias(user, browser)
    // Without `true` it would keep the anonymous id.
    analytics.reset(true)
    analytics.track('Seen Again')
    return analytics.getAnonymousId()
  },

  // No client at all: the ways in which pages send by hand.
  async hand() {
    const after = crypto.randomUUID()
    const call = (type, members) => JSON.stringify({ type, writeKey: key, anonymousId: browser, ...members })
    const post = async (path, options) => {
      const answer = await fetch(url + path, { method: 'POST', ...options })
      if (!answer.ok) errors.push(`${path}: ${answer.status}`)
    }
    const packed = async (text) =>
      new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer()
    const basic = { authorization: `Basic ${btoa(`${key}:`)}` }
    // A text comes without a preflight; JSON, other headers and credentials come with one.
    navigator.sendBeacon(`${url}/v1/track`, call('track', { event: 'Product Viewed', properties: { sku: 'A-1', price: 19.99 } }))
    const page = call('page', { name: 'Home', properties: { url: 'https://shop.example/' } })
    navigator.sendBeacon(`${url}/v1/page`, new Blob([page], { type: 'application/json' }))
    await post('/v1/identify', { body: call('identify', { userId: user, traits }), credentials: 'include' })
    await post('/v1/t', {
      body: call('track', { userId: user, event: 'Order Completed', properties: order, timestamp: day.toISOString() }),
      headers: { ...basic, 'content-type': 'application/json', 'x-of-a-later-version': '1' },
    })
    await post('/v1/group', {
      body: await packed(call('group', { userId: user, groupId: `${prefix}-acme`, traits: account })),
      headers: { ...basic, 'content-encoding': 'gzip', 'content-type': 'text/plain' },
    })
    const batch = { batch: [JSON.parse(call('alias', { userId: user, previousId: browser }))] }
    navigator.sendBeacon(`${url}/beacon/v1/batch?writeKey=${key}`, JSON.stringify(batch))
    await new Promise((loaded, failed) => {
      const image = new Image()
      Object.assign(image, { onload: loaded, onerror: () => failed(new Error('no picture')) })
      const seen = { anonymousId: after, event: 'Seen Again', properties: { share: '50%' } }
      image.src = `${url}/v1/pixel/track?writeKey=${key}&data=${encodeURIComponent(JSON.stringify(seen))}`
    })
    return after
  },
}

let after
try {
  after = await clients[sdk]()
} catch (error) {
  errors.push(`${error}\n${error?.stack}`)
}
// Nobody else hears of it.
for (const { name } of performance.getEntriesByType('resource')) {
  if (![new URL(url).origin, location.origin].includes(new URL(name).origin)) errors.push(`asked ${name}`)
}

// The answer comes when this page may go; it names the next one.
const answer = await fetch('/report', { method: 'POST', body: JSON.stringify({ prefix, after, errors }) })
location.replace(await answer.text())
