"""The error of starting what the window needs beside it: its peer, or a central. Pure."""


class HostError(Exception):
    """`title` names the trouble, `detail` says what to do, `code` is stable for programs."""

    def __init__(self, title: str, detail: str, code: str) -> None:
        super().__init__(f"{title}: {detail}")
        self.title = title
        self.detail = detail
        self.code = code
