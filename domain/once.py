"""A property that is worked out when it is first asked, and kept with its object.

Python's own `functools.cached_property` holds one lock of the class while it works (until Python 3.12): a thread that works on
one account's policy for minutes kept the event loop waiting, which asked the same of another's. Here two threads that ask at
once may both do the work, and the last one's result stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):  # it is written like `property`
    """On a method without arguments, of an object that has a `__dict__`: the value stands there afterwards, and hides this."""

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
