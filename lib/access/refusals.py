"""What people are told when signing in with Supabase or single sign-on does not work."""

from __future__ import annotations

WRONG = "This e-mail address and password do not go together. Try again, or sign in by a link sent to you."
NOT_CONFIRMED = "This e-mail address is not confirmed yet. Follow the link in the mail that Supabase sent, then sign in."
SWITCHED_OFF = "This account is switched off. Ask an admin."
NOT_ADDED = "Nobody here has this e-mail address. Ask an admin to invite you."
WRONG_CODE = "This code or link is wrong, used or too old. Ask for a new one."
TAKEN = "This e-mail address belongs to another account here. Ask an admin."
WAY_OFF = "This way of signing in is switched off in Supabase."
TOO_OFTEN = "Supabase limits how often people may try to sign in. Wait a few minutes, then try again."
CONFIRMED = "Your e-mail address is confirmed. Now have a link sent to it below: that signs you in."

PROVIDER_AWAY = "Single sign-on does not answer right now. Try again in a moment, or sign in with your password."
UNPROVEN = "What single sign-on sent back could not be verified, so nobody was signed in. Try again; if that does not help, tell an admin."
BEGIN_AGAIN = "This sign-in was begun in another browser, was used already or took too long. Begin again."
DECLINED = "Signing in was stopped at the provider. Begin again, or sign in with your password."
NOT_VERIFIED = "Single sign-on has not verified your e-mail address. Have it verified there, then begin again."
NOT_INVITED = "Nobody here has your e-mail address. Ask an admin to invite you, then begin again."
