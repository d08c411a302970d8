"""A Zendesk Support account that is at least as strict as the real one."""

from sandbox.zendesk.service import Zendesk

__all__ = ["Zendesk"]
