"""The one error of the lab: what is wrong and what to do, in one or two lines."""


class LabError(RuntimeError):
    """The lab cannot do what was asked; the message says why and what to do, without passwords."""
