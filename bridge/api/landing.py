"""What does somebody see who opens the address in a browser? Where to go from here."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>deskbridge</title>
<h1>deskbridge</h1>
<p>The bridge between WhatsApp and your helpdesk is running. It listens for Meta at <code>/webhooks/whatsapp</code>
and for the helpdesk at <code>/webhooks/<em>name</em></code>.</p>
<ul>
<li><a href="/readyz">/readyz</a>: whether it can keep what it is told</li>
<li><a href="/healthz">/healthz</a>: whether it lives</li>
<li><a href="/metrics">/metrics</a>: figures for Prometheus</li>
<li><a href="/openapi.json">/openapi.json</a>: the description of the REST API</li>
</ul>
<p>The manual is in <code>README.md</code> and <code>docs/</code> of the repository; <code>deskbridge --help</code>
lists the commands and <code>deskbridge doctor</code> checks the set-up.</p>
</html>
"""


@router.get("/")
async def show_landing_page() -> HTMLResponse:
    return HTMLResponse(_PAGE, headers={"content-security-policy": "default-src 'none'"})
