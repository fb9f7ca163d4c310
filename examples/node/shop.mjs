// A shop's back end: sends with Segment's SDK, as it would send to Segment, and reads the profile that it greets by.
// TESSERA_URL and TESSERA_KEY say where and as whom.
import { Analytics } from '@segment/analytics-node'

const url = process.env.TESSERA_URL ?? 'http://127.0.0.1:8640'
const key = process.env.TESSERA_KEY
const analytics = new Analytics({ host: url, writeKey: key })
analytics.on('error', (error) => console.error('not sent:', error.code, error.reason))

// Somebody signs in and buys.
analytics.identify({ userId: 'node-ann', traits: { firstName: 'Ann', email: 'node-ann@shop.example' } })
analytics.track({
  userId: 'node-ann',
  event: 'Order Completed',
  messageId: 'node-order-1', // an order is one order, however often it is sent
  properties: { total: 59.9, currency: 'EUR' },
})
await analytics.closeAndFlush()

// What was sent is there as soon as it was answered: any id of hers finds her.
const path = `/v1/profiles/identifier/email/${encodeURIComponent('node-ann@shop.example')}`
const answer = await fetch(url + path, { headers: { Authorization: `Bearer ${key}` } })
if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`)
const profile = await answer.json()
console.log(`Welcome back, ${profile.first_name}`)
