"""A CRM of somebody's own, which takes signed events and tells what its agents wrote. Strict, to find faults early."""

from sandbox.crm.service import Crm

__all__ = ["Crm"]
