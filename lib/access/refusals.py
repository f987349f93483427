"""What people are told when signing in with Supabase does not work."""

from __future__ import annotations

WRONG = "This e-mail address and password do not go together. Try again, or sign in by a link sent to you."
NOT_CONFIRMED = "This e-mail address is not confirmed yet. Follow the link in the mail that Supabase sent, then sign in."
SWITCHED_OFF = "This account is switched off. Ask an admin."
NOT_ADDED = "Nobody here has this e-mail address. Ask an admin to add you in Supabase."
WRONG_CODE = "This code or link is wrong, used or too old. Ask for a new one."
TAKEN = "This e-mail address belongs to another account here. Ask an admin."
WAY_OFF = "This way of signing in is switched off in Supabase."
TOO_OFTEN = "Supabase limits how often people may try to sign in. Wait a few minutes, then try again."
