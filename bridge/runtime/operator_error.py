"""What can a person who runs deskbridge mend?"""


class OperatorError(Exception):
    """Something that whoever runs deskbridge can mend. The text is one line: what is wrong, and what to do.

    It is shown as it is, so it holds no secret and nobody's data.
    """
