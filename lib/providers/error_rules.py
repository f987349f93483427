"""The rules of classification as rows: structured codes, then words."""

from __future__ import annotations

import re

from lib.errors import ErrorKind


def _codes(kind: ErrorKind, names: str) -> dict[str, ErrorKind]:
    return dict.fromkeys(names.split(), kind)


CODES: dict[str, ErrorKind] = {
    **_codes(
        "quota",
        "insufficient_quota billing_error billing_not_active billing_hard_limit_reached insufficient_balance insufficient_credits"
        " insufficient_funds payment_required quota_exceeded credits_exhausted credit_limit_exceeded budget_exceeded"
        " spending_limit_reached",
    ),
    **_codes(
        "rate-limit",
        "rate_limit_exceeded rate_limit_error rate_limited rate_limit rate_limit_reached ratelimitreached too_many_requests"
        " resource_exhausted throttled throttlingexception slow_down capacity_exceeded",
    ),
    **_codes(
        "auth",
        "invalid_api_key incorrect_api_key api_key_invalid api_key_expired api_key_service_blocked authentication_error"
        " authenticationerror invalid_authentication unauthenticated unauthorized invalid_token token_expired expired_token"
        " permission_error permission_denied permissiondenied permissiondeniederror access_denied accessdenied forbidden"
        " request_forbidden service_disabled consumer_suspended consumer_invalid account_deactivated account_disabled"
        " unsupported_country_region_territory ip_not_authorized organization_restricted invalid_organization missing_api_key",
    ),
    **_codes(
        "model-incompatible",
        "model_not_found model_not_supported model_not_available model_not_active model_decommissioned model_terms_required"
        " model_access_denied model_deprecated model_unavailable unsupported_model invalid_model unknown_model no_such_model"
        " modelerror modelnotfound modelnotfounderror deploymentnotfound deployment_not_found operationnotsupported"
        " unsupported_api_for_model endpoint_not_supported not_found_error not_found notfounderror",
    ),
    **_codes(
        "context-length",
        "context_length_exceeded string_above_max_length request_too_large tokens_limit_reached max_context_length_exceeded"
        " exceed_context_size_error input_too_long prompt_too_long context_window_exceeded contextwindowexceedederror",
    ),
    **_codes(
        "content-filter",
        "content_filter content_filtered content_policy_violation contentpolicyviolationerror responsibleaipolicyviolation"
        " moderation_blocked content_blocked invalid_prompt safety prohibited_content safety_error image_content_policy_violation",
    ),
    **_codes(
        "bad-request",
        "unsupported_parameter unsupported_value unknown_parameter invalid_value invalid_type invalid_parameter"
        " missing_required_parameter unsupported_file unsupported_country tool_use_failed json_validate_failed"
        " invalid_image invalid_image_url invalid_image_format invalid_base64 invalid_json_schema invalid_function_parameters"
        " integer_below_min_value integer_above_max_value decimal_below_min_value decimal_above_max_value array_above_max_length"
        " empty_array invalid_request_body previous_response_not_found",
    ),
    **_codes("timeout", "timeout timeout_error deadline_exceeded request_timeout gateway_timeout timeouterror"),
    **_codes(
        "network",
        "overloaded_error overloaded server_error internal_server_error internalservererror internal_error internal unavailable"
        " service_unavailable serviceunavailableerror engine_overloaded model_overloaded api_error apierror bad_gateway"
        " service_tier_capacity_exceeded upstream_error",
    ),
}
"""A provider's structured codes. What only says "invalid request" is not among them: the words decide then."""

Rule = tuple[ErrorKind, re.Pattern[str]]


def _rule(kind: ErrorKind, *patterns: str) -> Rule:
    return kind, re.compile("|".join(patterns), re.IGNORECASE)


CONTEXT = _rule(
    "context-length",
    r"\b(?:maximum|max|available|model'?s?) (?:context|input|sequence)\b(?! (?:format|type))",
    r"\bcontext[- _]?(?:length|window|size|limit)\b",
    r"\b(?:prompt|input|messages?|conversation|request) (?:is|are|was) too (?:long|large|big)\b",
    r"\btoo many (?:\w+ )?tokens\b",
    r"\b(?:input|prompt|request)\b.{0,40}\btokens?\b.{0,40}\bexceed",
    r"\btoken count\b.{0,60}\b(?:exceed|only supports up to\b)",
    r"\b(?:request|payload|body)\b.{0,20}\bsize exceeds\b|\b(?:request entity|payload|request body) (?:is )?too large\b",
    r"\bexceed\w*\b.{0,40}\b(?:maximum|limit|context)\b.{0,30}\b(?:input )?tokens\b(?! per\b)",
    r"\breduce (?:the )?(?:length|size) of (?:the |your )?(?:messages?|prompt|input|either)",
    r"\binputs?\W{1,3}tokens\b.{0,40}\bmax_new_tokens\b",
    r"\binputs?\W{0,3}must have (?:less|fewer) than \d+ tokens\b",
    r"\bstring too long\b",
    r"\b(?:prompt|input|request)\b.{0,20}\blonger than\b",
)
QUOTA = _rule(
    "quota",
    r"\b(?:insufficient|not enough|no remaining|out of|exhausted|depleted|requires? (?:more|at least)) (?:\w+ ){0,3}(?:quota|balance|credits?|funds)\b",
    r"\b(?:credits?|balance|funds) (?:balance )?(?:is|are|has|have)(?: been)? (?:too low|exhausted|depleted|insufficient|used up|negative)\b",
    r"\bcredit balance\b",
    r"\bexceeded (?:your|the|its) (?:current |monthly |usage )?(?:\w+ )?(?:quota|credits?|budget)\b",
    r"\b(?:monthly|included|free|prepaid) (?:\w+ )?credits\b",
    r"\b(?:billing|spend(?:ing)?|budget|usage) (?:hard |soft )?limits?\b",
    r"\bbudget\b.{0,30}\bexceeded\b|\bkey limit exceeded\b|\benable billing\b|\brequires a \w+ subscription\b",
    r"\bcheck your plan and billing\b",
    r"\bpayment required\b|\bpast due\b|\barrear",
    r"\bcalls? ?/ ?month\b",
)
AUTH = _rule(
    "auth",
    r"\b(?:invalid|incorrect|expired|missing|wrong|bad|revoked|malformed|no|unknown|leaked)\b(?: or \w+)? (?:\w+[- ]){0,2}?(?:api[- _]?keys?|api token|access token|auth\w* token|credentials?|x-api-key|subscription key|password)\b",
    r"\bapi[- _]?key\b.{0,30}\b(?:not valid|invalid|expired|not found|incorrect|missing|required|revoked|disabled|leaked|suspended)\b",
    r"\btoken (?:seems|is|has) (?:invalid|expired|revoked)\b",
    r"\bunauthori[sz]ed\b|\bunauthenticated\b|\bforbidden\b|\baccess denied\b|\bpermission denied\b",
    r"\bauthenticat\w+ (?:failed|required|error|fails)\b|\bnot authenticated\b|\bunregistered callers\b",
    r"\b(?:organization|account|project|user)\b.{0,40}\b(?:has been|is|was) (?:disabled|suspended|deactivated|not active|restricted)\b",
    r"\bno auth credentials\b|\bnot authorized\b|\b(?:does not|doesn't|do not|don't) have (?:sufficient )?permissions?\b",
    r"\b(?:location|country|region|territory)\b.{0,40}\bnot (?:supported|available|allowed)\b",
    r"\bnot (?:supported|available|allowed) in (?:your|this) (?:location|country|region|territory)\b",
)
FILTER = _rule(
    "content-filter",
    r"\bcontent[- _](?:filter\w*|management|policy|moderation|polic\w+)\b",
    r"\bresponsible ?ai\b|\bsafety (?:system|filters?|settings?|reasons?|checks?|policy)\b|\bcontent exists risk\b",
    r"\bflagged\b|\bmoderation\b|\busage polic(?:y|ies)\b|\bacceptable use\b",
    r"\b(?:blocked|rejected|refused|filtered)\b.{0,60}\b(?:safety|polic\w+|moderation|prohibited|harm\w*)\b",
    r"\bviolat\w+\b.{0,60}\bpolic",
    r"\binappropriate content\b|\bprohibited content\b",
)
MODEL = _rule(
    "model-incompatible",
    r"\b(?:model|deployment|engine)s?\b.{0,160}?\b(?:(?:was |is |were |be )?not[- ]found|(?:does|do|did)(?: not|n'?t) exist|not exist)\b",
    r"\b(?:model|deployment|engine)\b.{0,120}?\b(?:is|are|was|has been|have been) (?:not|no longer|currently not)(?: an?)? (?:valid|available|supported|recogni[sz]ed|deployed|enabled|accessible|active|allowed)\b",
    r"\b(?:model|deployment|engine)\b.{0,120}?\b(?:is|was|has been) (?:deprecated|decommissioned|removed|retired|shut down|inaccessible|unsupported)\b",
    r"\bmodel\b.{0,60}?\bnot supported\b",
    r"\b(?:unknown|invalid|unsupported|no such|nonexistent|unrecogni[sz]ed) (?:\w+ )?model\b",
    r"\bmodel (?:id|identifier|name) is invalid\b",
    r"\bnot a (?:valid|chat|completion) model\b|\bvalid model (?:id|name)\b",
    r"\bnot have access to\b.{0,40}\bmodel\b|\bmodel\b.{0,60}\bnot have access\b",
    r"\bdoes(?: not|n'?t) support (?:the )?(?:tools?|tool[ _-]?(?:use|calls?|calling|choice)|function[ _-]?call\w*|images?|image input|vision|audio|chat|streaming|system|thinking|reasoning|generate|completions?)\b",
    r"\bnot support(?:ed)?\b.{0,40}\b(?:with|by|for|in) (?:this|the specified) (?:model|endpoint|deployment)\b",
    r"\boperation (?:does not|doesn't) work with the specified model\b",
    r"\bnot enabled for (?:the |this )?models?\b",
    r"\bonly supported in v1/|\bno (?:allowed providers|endpoints) (?:found|are)\b|\bnot (?:a )?multimodal\b",
    r"\bnot supported by any provider\b|\btry pulling it first\b",
    r"\brequires more (?:system )?memory\b|\bout of memory\b",
    r"\bendpoint is (?:paused|stopped)\b",
)
RATE = _rule(
    "rate-limit",
    r"\brate[- _]?limit\w*\b|\btoo many (?:concurrent )?requests\b|\bthrottl\w+\b|\bslow down\b",
    r"\b(?:requests|tokens) per (?:second|minute|hour|day)\b|\bconcurrency limit\b",
)
TIMEOUT = _rule("timeout", r"\btim(?:ed?|ing)[- ]?out\b|\btimeout\b|\bdeadline exceeded\b")
NETWORK = _rule(
    "network",
    r"\boverloaded\b|\bbad gateway\b|\b(?:service|temporarily|currently) (?:is )?(?:temporarily )?unavailable\b",
    r"\binternal (?:server )?error\b|\bserver (?:had an )?error\b|\b(?:currently|server) loading\b|\bwarming up\b|\bscaled to (?:zero|0)\b|\b(?:at|over|exceeded) capacity\b|\bcapacity exceeded\b",
    r"\bconnection (?:refused|reset|error|aborted|closed|attempt failed)\b|\bnetwork\b|\bunreachable\b|\bupstream\b",
    r"\bunexpected eof\b|: EOF\b|\bprocess (?:has )?(?:terminated|exited|crashed|no longer running)\b",
    r"\bname resolution\b|\bgetaddrinfo\b|\bname or service not known\b|\bbroken pipe\b|\bmodel (?:is )?too busy\b",
)

BEFORE_PARAM = (CONTEXT, QUOTA, AUTH, FILTER)
"""Read before the name of a refused parameter settles it."""
AFTER_PARAM = (MODEL, RATE, TIMEOUT, NETWORK)

_NAMED_STATUS = (
    (429, "RateLimit ResourceExhausted TooManyRequests Throttling"),
    (401, "Authentication Unauthenticated Unauthorized"),
    (403, "PermissionDenied AccessDenied Forbidden"),
    (404, "NotFound"),
    (400, "BadRequest InvalidRequest InvalidArgument ContextWindow ContentPolicy UnsupportedParams ValidationException"),
    (422, "UnprocessableEntity"),
    (503, "ServiceUnavailable Overloaded"),
    (500, "InternalServer"),
)
_STATUS_IN_TEXT = re.compile(r"^(?:\w+: )?(?:Error code|Status code|HTTP(?: status)?)\W{1,3}([45]\d\d)\b|^([45]\d\d) [A-Z]")


def status_of_exception(name: str, text: str) -> int | None:
    """Return the HTTP status that an SDK's exception stands for; None for one of the connection itself."""
    if said := _STATUS_IN_TEXT.search(text):
        return int(said[1] or said[2])
    return next((status for status, names in _NAMED_STATUS if any(part in name for part in names.split())), None)


PERMANENT_CODES: frozenset[ErrorKind] = frozenset({"quota", "auth", "model-incompatible", "context-length", "content-filter"})
NEVER_FITS = re.compile(r"\brequest too large\b|\brequest is too large\b|\bmust be reduced in order to run\b", re.IGNORECASE)
LIMIT_AND_REQUESTED = re.compile(r"\blimit:?\s+([\d,]+).{0,40}?\brequested:?\s+([\d,]+)", re.IGNORECASE)
PER_MINUTE = re.compile(r"per[- _]?(?:minute|second|hour)|\b[RT]PM\b|\bhourly\b", re.IGNORECASE)
PER_DAY = re.compile(r"per[- _]?(?:day|month)|PerDay|PerMonth", re.IGNORECASE)
LIMIT_ZERO = re.compile(r"\blimit: 0\b")
MISSING_THING = re.compile(r"\b(?:item|file|response|thread|batch|container|vector store)\b.{0,80}\bnot found\b", re.IGNORECASE)
ENDPOINT = re.compile(
    r"(?:only supported in|did you mean to use|(?:please )?use|use the|switch to|instead use)\s+(?:the\s+)?[`'\"]?/?(?:v1/)?"
    r"(responses|chat/completions|completions|messages|embeddings)\b",
    re.IGNORECASE,
)
