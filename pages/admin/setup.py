"""Setup: what is left to do before Modeldeck works as it should; the shell draws it too while there is no database."""

from lib.access import Role
from lib.ui import setup_view
from lib.ui.context import guard

page = guard(Role.ADMIN)

setup_view.draw(page)
