"""What the pages are made of: the shell, the guard, formats, charts, tables and the playground's answer."""
