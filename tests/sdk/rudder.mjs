// @rudderstack/rudder-sdk-node, unmodified. Arguments: URL, key, prefix of all ids.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [url, writeKey, prefix] = process.argv.slice(2)
const userId = `${prefix}-user`
const anonymousId = `${prefix}-browser`
const failures = []
const client = new RudderAnalytics(writeKey, {
  dataPlaneUrl: url,
  flushAt: 100,
  errorHandler: (error) => failures.push(error),
})

client.track({ anonymousId, event: 'Product Viewed', properties: { sku: 'A-1', price: 19.99 } })
client.identify({ userId, traits: { email: `${prefix}@shop.example`, plan: 'gold', age: 41 } })
client.track({
  userId,
  event: 'Order Completed',
  properties: { total: 29.33, products: [{ sku: 'A-1', quantity: 2 }] },
  timestamp: new Date('2025-03-01T10:00:00.123Z'),
})
client.page({ userId, name: 'Home', properties: { url: 'https://shop.example/' } })
client.group({ userId, groupId: `${prefix}-acme`, traits: { name: 'Acme', employees: 12 } })
client.alias({ userId, previousId: anonymousId })
await client.flush()

if (failures.length > 0) {
  console.error(failures)
  process.exit(1)
}
process.exit(0)
