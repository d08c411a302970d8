"""Bring every catalogue up to date with the code; what is not translated is counted, and a test fails for it."""

from tests.messages.catalogues import TRANSLATED, update

if __name__ == "__main__":
    for language in TRANSLATED:
        missing, gone = update(language)
        print(f"{language}: {missing} to translate, {gone} gone")
