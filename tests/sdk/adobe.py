"""aepp, Adobe's own Python client, unmodified but for where it asks: entities, merge policies, computed attributes, segment definitions."""

import json
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How long a job may take that brings a rule to everybody.
BUILDING_SECONDS = 20

PERSON = {"homeAddress": {"country": "DE"}, "loyalty": {"tier": "gold"}}


def tokens(key):
    """The client asks for a token first, and shows what it gets: this answers with the key."""

    class Tokens(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            body = json.dumps({"access_token": key, "token_type": "bearer", "expires_in": 86399}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def run(url, key, post, check):
    """Asks what the client can ask, and compares."""
    import aepp  # noqa: F401
    from aepp import config, configs, customerprofile, segmentation

    server = tokens(key)
    configs.configure(org_id="default@AdobeOrg", client_id="any", secret="any", scopes="openid", sandbox="prod")
    config.endpoints["global"] = url
    config.config_object["oauthTokenEndpointV2"] = f"http://127.0.0.1:{server.server_port}/token"
    base = url + config.endpoints["segmentation"]
    profiles, segments = customerprofile.Profile(), segmentation.Segmentation()
    profiles.endpoint, profiles.endpoint_global, segments.endpoint = base, url, base
    said(post)
    policies(profiles, check)
    attributes(profiles, check)
    definitions(segments, check)
    entities(profiles, check)
    sent(url, profiles, check)
    jobs(profiles, check)
    server.shutdown()


def said(post):
    """Somebody with two events, by another API."""
    calls = [{"type": "identify", "userId": "aepp-1", "messageId": "aepp-i", "traits": PERSON}]
    now = datetime.now(timezone.utc)
    for number, total in enumerate([20.5, 4.5]):
        at = (now - timedelta(days=2 - number)).isoformat().replace("+00:00", "Z")
        properties = {"commerce": {"order": {"priceTotal": total}}}
        event = {"type": "track", "userId": "aepp-1", "event": "commerce.purchases", "properties": properties}
        calls.append(event | {"messageId": f"aepp-{number}", "timestamp": at})
    post("/v1/batch", {"batch": calls})


def policies(client, check):
    before = len(client.getMergePolicies())
    schema = {"name": "_xdm.context.profile"}
    new = {"schema": schema, "identityGraph": {"type": "pdg"}, "attributeMerge": {"type": "timestampOrdered"}, "default": False}
    made = client.createMergePolicy(new | {"name": "aepp", "updateEpoch": 1234567890})
    check("aepp: a merge policy is made", (made["name"], made["version"]), ("aepp", 1))
    changed = client.patchMergePolicy(made["id"], [{"op": "add", "path": "/identityGraph.type", "value": "none"}])
    check("aepp: and changed", changed["identityGraph"], {"type": "none"})
    order = {"type": "dataSetPrecedence", "order": ["crm", "web"]}
    replaced = client.updateMergePolicy(made["id"], changed | {"attributeMerge": order, "isActiveOnEdge": True})
    check("aepp: and replaced", (replaced["attributeMerge"], replaced["version"]), (order, 3))
    check("aepp: it is active on the edge", client.getMergePolicyActiveOnEdge()["id"], made["id"])
    others = [client.createMergePolicy(new | {"name": f"aepp {number}"})["id"] for number in range(3)]
    check("aepp: all pages", len(client.getMergePolicies(limit=2)), before + 4)
    client.patchMergePolicy(made["id"], [{"op": "add", "path": "/isActiveOnEdge", "value": "false"}])
    check("aepp: they are deleted", [client.deleteMergePolicy(one) for one in [made["id"], *others]], [200] * 4)
    check("aepp: and gone", len(client.getMergePolicies()), before)


def attributes(client, check):
    pql = {"type": "PQL", "format": "pql/text", "value": 'xEvent[eventType = "commerce.purchases"].sum(commerce.order.priceTotal)'}
    new = {"displayName": "Spent", "description": "What was spent", "expression": pql, "duration": {"count": 6, "unit": "MONTHS"}}
    draft = client.createComputedAttribute(new | {"name": "aeppDraft", "status": "DRAFT"})
    check("aepp: a draft", (draft["status"], draft["mergeFunction"]), ("DRAFT", {"value": "SUM"}))
    changed = client.patchComputedAttribute(draft["id"], {"id": draft["id"], "displayName": "Other"})
    check("aepp: a draft changes", changed["displayName"], "Other")
    check("aepp: drafts are listed", "aeppDraft" in [one["name"] for one in client.getComputedAttributes()], True)
    check("aepp: drafts are deleted", client.deleteComputedAttribute(draft["id"]), 202)
    spent = client.createComputedAttribute(new | {"name": "aeppSpent", "status": "NEW"})
    until = time.monotonic() + BUILDING_SECONDS
    while client.getComputedAttribute(spent["id"])["status"] != "PROCESSED" and time.monotonic() < until:
        time.sleep(0.1)
    check("aepp: what is published is processed", client.getComputedAttribute(spent["id"])["status"], "PROCESSED")


def definitions(client, check):
    pql = {"type": "PQL", "format": "pql/text", "value": 'homeAddress.country = "DE" and loyalty.tier = "gold"'}
    new = {"name": "aepp", "description": "Gold", "expression": pql, "schema": {"name": "_xdm.context.profile"}, "ttlInDays": 30}
    made = client.createSegment(new)
    check("aepp: a segment definition", (made["name"], made["expression"]), ("aepp", pql))
    check("aepp: segment definitions are listed", "aepp" in [one["name"] for one in client.getSegments()], True)
    check("aepp: and replaced", client.updateSegment(made["id"], made | {"name": "aepp gold"})["name"], "aepp gold")
    several = client.getMultipleSegments([{"id": made["id"]}])
    check("aepp: and read with others", several[made["id"]]["name"], "aepp gold")
    nodes = client.convertSegmentDef("aepp", pql, "Gold")["expression"]
    back = client.convertSegmentDef("aepp", nodes, "Gold")["expression"]
    check("aepp: there and back", (nodes["format"], back["value"]), ("pql/json", pql["value"]))
    preview = client.createPreview(pql=pql["value"], model="_xdm.context.profile")["previewId"]
    check("aepp: a preview", len(client.getPreview(preview)["results"]), 1)
    check("aepp: an estimate", client.getEstimate(preview)["estimatedSize"], 1)
    check("aepp: previews are deleted", client.deletePreview(preview), 200)


def entities(client, check):
    one = client.getEntity(entityId="aepp-1", entityIdNS="user_id")
    entity = next(iter(one.values()))["entity"]
    check("aepp: an entity", {name: entity.get(name) for name in PERSON}, PERSON)
    check("aepp: with what is computed", entity["_default"]["SystemComputedAttributes"]["aeppSpent"], 25)
    memberships = [own["status"] for own in entity["segmentMembership"]["ups"].values()]
    check("aepp: with its segments", "realized" in memberships, True)
    identities = [{"entityId": "aepp-1", "entityIdNS": {"code": "user_id"}}]
    several = client.getEntities({"schema": {"name": "_xdm.context.profile"}, "fields": ["loyalty"], "identities": identities})
    check("aepp: entities in bulk", next(iter(several.values()))["entity"], {"loyalty": PERSON["loyalty"]})
    events = client.getEntityEvents(entityId="aepp-1", entityIdNS="user_id", limit=1)
    totals = [event["entity"]["commerce"]["order"]["priceTotal"] for event in events]
    check("aepp: events, page by page", totals, [20.5, 4.5])


def sent(url, profiles, check):
    """A schema, a dataset, a message, and a batch of a file, all by the client."""
    from aepp import catalog, ingestion, schema

    registry, catalogue, ingest = schema.Schema(), catalog.Catalog(), ingestion.DataIngestion()
    ingest.endpoint_streaming = url
    made = registry.createSchema({"type": "object", "title": "aepp", "allOf": [{"$ref": "https://ns.adobe.com/xdm/context/profile"}]})
    check("aepp: a schema", made["meta:class"], "https://ns.adobe.com/xdm/context/profile")
    about = {"sourceSchema": made["$id"], "sourceProperty": "/workEmail/address", "namespace": "Email", "primary": True}
    described = registry.createDescriptor(**about)
    check("aepp: a descriptor", described["xdm:isPrimary"], True)
    [named] = catalogue.createDataSet(name="aepp", schemaId=made["$id"], profileEnabled=True)
    dataset = named.rpartition("/")[2]
    check("aepp: a dataset", list(catalogue.getDataSet(dataset)), [dataset])
    entity = {"workEmail": {"address": "aepp@shop.example"}, "person": {"name": {"firstName": "Ada"}}}
    message = {"header": {"datasetId": dataset, "imsOrgId": "default@AdobeOrg"}, "body": {"xdmEntity": entity}}
    taken = ingest.streamMessage("aepp", message, syncValidation=True)
    check("aepp: a message is taken", taken["syncValidation"], {"status": "pass"})
    wrong = ingest.streamMessages("aepp", [message, {"header": message["header"]}])
    check("aepp: messages are answered one by one", [own.get("statusCode") for own in wrong["responses"]], [None, 400])
    found = next(iter(profiles.getEntity(entityId="aepp@shop.example", entityIdNS="email").values()))
    check("aepp: what was sent is there", (found["entity"]["person"], found["sources"]), (entity["person"], [dataset]))
    batch = ingest.createBatch(dataset)["id"]
    ingest.uploadSmallFile(batch, dataset, "one.json", [entity | {"loyalty": {"tier": "gold"}}])
    ingest.uploadSmallFileFinish(batch)
    check("aepp: a batch succeeds", catalogue.getBatch(batch)[batch]["status"], "success")
    found = next(iter(profiles.getEntity(entityId="aepp@shop.example", entityIdNS="email").values()))
    check("aepp: with what its file says", found["entity"]["loyalty"], {"tier": "gold"})


def jobs(profiles, check):
    made = profiles.createDeleteSystemJob(dataSetId="aepp-nothing")
    check("aepp: a job", (made["jobType"], made["status"], made["dataSetId"]), ("DELETE", "NEW", "aepp-nothing"))
    others = [profiles.createDeleteSystemJob(dataSetId=f"aepp-{number}")["id"] for number in range(4)]
    listed = [own["id"] for own in profiles.getDeleteSystemJobs(limit=2)]
    check("aepp: all pages of jobs", listed, [made["id"], *others])
    check("aepp: a job by its id", profiles.getDeleteSystemJob(made["id"])["id"], made["id"])
    check("aepp: jobs are withdrawn", [profiles.deleteDeleteSystemJob(own) for own in listed], [200] * 5)
    check("aepp: and gone", profiles.getDeleteSystemJobs(), [])
