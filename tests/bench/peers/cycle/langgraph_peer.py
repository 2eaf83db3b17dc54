"""langgraph with SqliteSaver; each step is on disk before the next one begins."""

import itertools
import sqlite3
import threading
from importlib.metadata import version
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

import cycles


class Cycle(TypedDict, total=False):
    number: int
    messages: list
    reply: str
    document: str
    path: str
    sound: bool
    verdict: str


def main():
    base_url, folder, residents, count = cycles.settings()
    own = threading.local()

    def call(state):
        if not hasattr(own, "caller"):
            own.caller = cycles.Caller(base_url)
        return {"reply": own.caller.call(state["messages"])}

    def document(state):
        text = cycles.document_of(state["reply"])
        return {"document": text, "path": cycles.write(folder, state["number"], text)}

    graph = StateGraph(Cycle)
    steps = {
        "brief": lambda state: {"messages": cycles.briefing(state["number"])},
        "call": call,
        "write": document,
        "check": lambda state: {"sound": cycles.check(state["number"], state["document"])},
        "decide": lambda state: {"verdict": "approve" if state["sound"] else "reject"},
    }
    for name, step in steps.items():
        graph.add_node(name, step)
    way = [START, *steps, END]
    for one, other in zip(way, way[1:]):
        graph.add_edge(one, other)

    connection = sqlite3.connect(f"{folder}/langgraph.db", check_same_thread=False)
    app = graph.compile(checkpointer=SqliteSaver(connection))
    numbers = itertools.count()
    approved = itertools.count()

    def resident():
        while (number := next(numbers)) < count:
            config = {"configurable": {"thread_id": str(number)}}
            ended = app.invoke({"number": number}, config, durability="sync")
            if ended["verdict"] == "approve":
                next(approved)

    def run():
        threads = [threading.Thread(target=resident) for _ in range(residents)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return next(approved)

    cycles.measured("langgraph", version("langgraph"), count, run)


if __name__ == "__main__":
    main()
