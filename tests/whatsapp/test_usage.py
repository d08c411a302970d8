"""Is what Meta says of its limits of calls heeded?"""

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.model import PhoneNumberId
from bridge.whatsapp.client import CloudApi
from bridge.whatsapp.usage import CallUsage, read_usage
from connectors.client import remote_client
from connectors.errors import RateLimited

BUSINESS = (
    '{"104857600000001":[{"type":"whatsapp_business_management","call_count":%d,"total_cputime":1,"total_time":1,'
    '"estimated_time_to_regain_access":%d},{"type":"whatsapp","call_count":100,"total_cputime":1,"total_time":1}]}'
)


def test_fullest_of_what_is_said_counts_and_sending_does_not() -> None:
    assert read_usage({}) is None
    assert read_usage({"x-app-usage": '{"call_count":12,"total_cputime":3,"total_time":9}'}) == CallUsage(12)
    both = {"x-app-usage": '{"call_count":12,"total_time":30}', "x-business-use-case-usage": BUSINESS % (85, 0)}
    assert read_usage(both) == CallUsage(85)
    assert read_usage({"x-business-use-case-usage": BUSINESS % (100, 7)}) == CallUsage(100, 420.0)


@pytest.mark.parametrize(("percent", "seconds"), [(0, 0), (80, 0), (90, 2.5), (100, 5), (300, 5)])
def test_above_80_percent_calls_wait(percent: int, seconds: float) -> None:
    assert CallUsage(percent).pause_seconds == pytest.approx(seconds)


@given(header=st.text(max_size=60) | st.sampled_from(["[]", '{"a":[1]}', '{"a":{}}', '{"call_count":1e999}', "NaN"]))
def test_whatever_the_headers_hold_it_never_raises(header: str) -> None:
    read_usage({"x-app-usage": header, "x-business-use-case-usage": header})


async def test_while_access_is_lost_nothing_that_manages_is_asked() -> None:
    async with remote_client("http://meta", timeout_seconds=5) as client:
        api = CloudApi(client, phone_number_id=PhoneNumberId("1"), waba_id="104857600000001", token="t")
        with respx.mock(using="httpx") as meta:
            headers = {"x-business-use-case-usage": BUSINESS % (100, 2)}
            asked = meta.get(url__regex=".*/104857600000001").mock(
                return_value=httpx.Response(200, json={"id": "104857600000001"}, headers=headers)
            )
            await api.waba(["id"])
            with pytest.raises(RateLimited) as limited:
                await api.waba(["id"])
            assert asked.call_count == 1
        assert 100 < limited.value.after_seconds <= 120
