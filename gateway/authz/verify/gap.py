"""What a proof lacks."""


class Gap(Exception):  # noqa: N818 - a finding about the text, not a fault
    """The text is not proven; the message says what is missing."""
