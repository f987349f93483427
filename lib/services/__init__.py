"""The composition root: everything the pages, the API and the command line do goes through one Services."""

from lib.services.calls import ChatCall
from lib.services.key_trial import TestResult
from lib.services.services import Services, open_services

__all__ = ["ChatCall", "Services", "TestResult", "open_services"]
