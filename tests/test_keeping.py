"""What was made last is kept, whoever asks."""

from __future__ import annotations

import threading

from argdask.keeping import Kept


def test_what_was_not_asked_for_longest_is_let_go() -> None:
    kept: Kept[int] = Kept(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert [kept.get(name) for name in "abc"] == [1, None, 3]

    def many(start: int) -> None:
        for number in range(2000):
            kept.put(start + number % 7, number)
            kept.get(number % 7)

    threads = [threading.Thread(target=many, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept._known) == 2
