"""A property that is worked out when it is first asked for, and kept with its object.

Until Python 3.12, `functools.cached_property` holds one lock for the whole class while it works. So a thread that
worked on one account's policy for minutes blocked the event loop, which needed the same of another's. Here two threads
may both do the work at once, and the later result stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):  # lower case, because it is used like `property`
    """For a method without arguments, of an object with a `__dict__`: the value is kept there, and then hides this descriptor."""

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> once[T] | T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._work(instance)
        return value
