// @segment/analytics-node, unmodified. Arguments: URL, key, prefix of all ids.
import { Analytics } from '@segment/analytics-node'

const [url, writeKey, prefix] = process.argv.slice(2)
const userId = `${prefix}-user`
const anonymousId = `${prefix}-browser`
const analytics = new Analytics({ host: url, writeKey, maxRetries: 0, flushAt: 4 })
const failures = []
analytics.on('error', (error) => failures.push(error))

analytics.track({ anonymousId, event: 'Product Viewed', properties: { sku: 'A-1', price: 19.99 } })
analytics.identify({ userId, traits: { email: `${prefix}@shop.example`, plan: 'gold', age: 41 } })
analytics.track({
  userId,
  event: 'Order Completed',
  properties: { total: 29.33, products: [{ sku: 'A-1', quantity: 2 }] },
  timestamp: new Date('2025-03-01T10:00:00.123Z'),
})
analytics.page({ userId, name: 'Home', properties: { url: 'https://shop.example/' } })
analytics.group({ userId, groupId: `${prefix}-acme`, traits: { name: 'Acme', employees: 12 } })
analytics.alias({ userId, previousId: anonymousId })
await analytics.closeAndFlush()

if (failures.length > 0) {
  console.error(failures)
  process.exit(1)
}
