"""The messages that lie in the broker, which is in memory in tests."""

from queue import Empty

from config.celery import app


def taken(queue: str) -> list[tuple[str, list[object]]]:
    """(task, arguments) of every message in a queue; they are taken out."""
    found = []
    with app.connection_for_read() as connection:
        simple = connection.SimpleQueue(queue)
        try:
            while True:
                message = simple.get(block=False)
                message.ack()
                found.append((message.headers["task"], message.payload[0]))
        except Empty:
            return found
        finally:
            simple.close()
