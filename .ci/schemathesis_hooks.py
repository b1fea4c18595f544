"""Values for the formats that the document names and JSON Schema does not."""

import schemathesis
from hypothesis import strategies as st

schemathesis.openapi.format("iso-4217", st.sampled_from(["GBP", "JPY", "KWD", "EUR"]))
schemathesis.openapi.format("iana-time-zone", st.sampled_from(["UTC", "Europe/London", "Asia/Tokyo"]))
schemathesis.openapi.format("points-rate", st.sampled_from(["0", "1", "0.5", "10.25"]))
schemathesis.openapi.format("reward-rate", st.sampled_from(["0.05", "1", "0.0001"]))
schemathesis.openapi.format(
    "entity-tags", st.sampled_from(["*", '"1"', '"7"', 'W/"1"', '"1", "2"'])
)
schemathesis.openapi.format(
    "effective-from", st.sampled_from(["beginning", "2024-01-01T00:00:00Z"])
)


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    """Lines of JSON are sent as they are."""
    return value.encode() if isinstance(value, str) else str(value).encode()
