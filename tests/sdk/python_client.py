"""segment-analytics-python or rudder-sdk-python, unmodified. Arguments: which, URL, key, prefix of all ids."""

import sys
from datetime import datetime, timezone

which, url, key, prefix = sys.argv[1:]
if which == "segment":
    from segment.analytics.client import Client
else:
    from rudderstack.analytics.client import Client

failures = []
client = Client(key, host=url, on_error=lambda error, items: failures.append(error), max_retries=1)
user, browser = f"{prefix}-user", f"{prefix}-browser"

client.track(anonymous_id=browser, event="Product Viewed", properties={"sku": "A-1", "price": 19.99})
client.identify(user, {"email": f"{prefix}@shop.example", "plan": "gold", "age": 41})
client.track(
    user,
    "Order Completed",
    {"total": 29.33, "products": [{"sku": "A-1", "quantity": 2}]},
    timestamp=datetime(2025, 3, 1, 10, 0, 0, 123000, tzinfo=timezone.utc),
)
client.page(user, None, "Home", {"url": "https://shop.example/"})
client.group(user, f"{prefix}-acme", {"name": "Acme", "employees": 12})
client.alias(browser, user)
client.shutdown()

if failures:
    sys.exit(f"{which}: {failures}")
