"""A Freshdesk account that is at least as strict as the real one."""

from sandbox.freshdesk.service import Freshdesk

__all__ = ["Freshdesk"]
