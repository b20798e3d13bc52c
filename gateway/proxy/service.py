"""One upstream as a call sees it: where it is, and the tries that the call has there. Pure, as its two parts are."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.proxy.addresses import Addresses, Circuit
from gateway.proxy.retrying import Asked, Ending, RetryBudget, RetryOptions, may_be_sent_again


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One upstream of an organization: where it is, and what may be asked of it once more."""

    addresses: Addresses
    budget: RetryBudget
    retries: RetryOptions

    @classmethod
    def at(cls, *urls: str, retries: RetryOptions | None = None) -> Service:
        """A service at these addresses, with the usual options but for those that are given."""
        retries = retries or RetryOptions()
        return cls(Addresses(urls), RetryBudget(retries), retries)


class Attempt:
    """The tries of one call. `again` is to be asked once after each."""

    __slots__ = ("_asked", "_service", "_since", "address", "tries", "unpaid")

    def __init__(self, service: Service, asked: Asked, now: float) -> None:
        service.budget.calls += 1
        self._service = service
        self._asked = asked
        self._since = now
        self.tries = 0
        """Beside the first one."""
        self.address = service.addresses.choose(now)
        self.unpaid = False
        """Whether the last try was the last for want of budget alone."""

    def again(self, ending: Ending, now: float) -> bool:
        """Notes how the try ended that was made at `address`; whether there is to be one more, at what is there now."""
        addresses = self._service.addresses
        if ending is Ending.ANSWERED:
            addresses.answered(self.address, self._since)
            return False
        if ending is Ending.LEFT:
            addresses.left(self.address, self._since)
            return False
        addresses.failed(self.address, self._since, now, unreachable=ending is Ending.UNREACHED)
        return self._tried_again(ending, now)

    def _tried_again(self, ending: Ending, now: float) -> bool:
        service = self._service
        if self.tries >= service.retries.most or (following := service.addresses.second(self.address)) is None:
            return False
        elsewhere = following is not self.address and following.circuit is Circuit.CLOSED
        if not may_be_sent_again(self._asked, ending, elsewhere=elsewhere):
            return False
        if not service.budget.spend(now):
            self.unpaid = True
            return False
        service.addresses.begin(following)
        self.tries += 1
        self._since, self.address = now, following
        return True
