"""Do as many go on at once as may, however that changes?"""

import asyncio

from bridge.runtime.slots import Slots


async def test_size_may_change_while_some_wait_and_a_cancelled_one_takes_nothing() -> None:
    size = [2]
    slots = Slots(lambda: size[0])
    inside: list[int] = []
    go = asyncio.Event()

    async def work(number: int) -> None:
        async with slots:
            inside.append(number)
            await go.wait()

    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(work(number)) for number in range(6)]
    await settle()
    assert inside == [0, 1]
    tasks[2].cancel()
    size[0] = 1
    go.set()
    await settle()
    assert inside == [0, 1, 3, 4, 5]
    await asyncio.gather(*tasks, return_exceptions=True)
    async with slots:
        inside.append(9)
    assert inside[-1] == 9
