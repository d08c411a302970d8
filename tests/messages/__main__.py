"""Bring every catalogue and the page of error codes up to date with the code. What is not translated is counted, and a
test fails for it."""

from tests.messages import error_page
from tests.messages.catalogues import TRANSLATED, update

if __name__ == "__main__":
    for language in TRANSLATED:
        missing, gone = update(language)
        print(f"{language}: {missing} to translate, {gone} gone")
    error_page.PAGE.write_text(error_page.page(), "utf-8")
