"""agent-framework without a store: nothing but the document's file is kept."""

import asyncio
import itertools
from importlib.metadata import version

from agent_framework import Agent, BaseChatClient, ChatResponse, Message

import cycles


class Client(BaseChatClient):
    def __init__(self, base_url):
        super().__init__()
        self.caller = cycles.AsyncCaller(base_url)

    async def _inner_get_response(self, *, messages, stream, options, **kwargs):
        instructions = [{"role": "system", "content": cycles.RULES}]
        told = [{"role": str(message.role), "content": message.text} for message in messages]
        reply = await self.caller.call(instructions + told)
        return ChatResponse(messages=[Message(role="assistant", contents=[reply])])


async def resident(base_url, folder, numbers, count):
    agent = Agent(client=Client(base_url), instructions=cycles.RULES)
    approved = 0
    while (number := next(numbers)) < count:
        _, task = cycles.briefing(number)
        reply = await agent.run(task["content"])
        document = cycles.document_of(reply.text)
        cycles.write(folder, number, document)
        verdict = "approve" if cycles.check(number, document) else "reject"
        approved += verdict == "approve"
    return approved


async def all_of(base_url, folder, residents, count):
    numbers = itertools.count()
    ways = (resident(base_url, folder, numbers, count) for _ in range(residents))
    return sum(await asyncio.gather(*ways))


def main():
    base_url, folder, residents, count = cycles.settings()
    run = lambda: asyncio.run(all_of(base_url, folder, residents, count))
    cycles.measured("agent-framework", version("agent-framework-core"), count, run)


if __name__ == "__main__":
    main()
