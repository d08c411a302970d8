"""What WhatsApp tells beside messages: reactions, edits, what the owner writes on the phone, calls, news of people."""

from tests.flow.test_files import PNG, attachments, send
from tests.flow.waiting import eventually
from tests.flow.world import Customer, World


def act(customer: Customer, what: str, **wish: object) -> None:
    customer.world.post(f"/customers/{customer.id}/{what}", wish)


def test_reactions_edits_and_deletions_say_what_they_are_about(world: World) -> None:
    world.faults(whatsapp_coexistence=True)
    ana = world.customer()
    ticket = ana.has_ticket("Where is it")
    answer = world.words("It leaves today")
    ticket.replies(answer)
    ana.gets(answer)
    ours = ana.thread()[-1]["wamid"]
    for emoji in ("👍", "❤️", ""):
        ana.writes(message={"type": "reaction", "reaction": {"message_id": ours, "emoji": emoji}})
        ticket.note("👍" if emoji == "👍" else "👍 to ❤️" if emoji else "reaction ❤️ to our message back", answer)
    thanks = world.words("thanks")
    wamid = ana.writes(thanks, context=ours)
    ticket.shows("[In answer to our message]", thanks)
    better = world.words("many thanks")
    act(ana, "edit", wamid=wamid, text=better)
    ticket.shows(better, "[Before that it read:]")
    act(ana, "delete", wamid=wamid)
    ticket.shows("[It read:]")
    assert "\n".join(ticket.from_customer()).count(better) == 2


def test_a_reaction_leaves_a_solved_ticket_as_it_is(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    hello = ana.thread()[0]["wamid"]
    ticket.change(status="solved")
    ana.writes(message={"type": "reaction", "reaction": {"message_id": hello, "emoji": "🙏"}})
    ticket.note("[Reacted 🙏 to their own message]")
    assert ticket.status == "solved"


def test_what_the_owner_writes_on_the_phone_stands_on_the_ticket_and_is_not_sent(world: World) -> None:
    world.faults(whatsapp_coexistence=True)
    ana = world.customer()
    ticket = ana.has_ticket()
    words = world.words("I called the courier")
    act(ana, "echoes", text=words)
    send(ana, PNG, type="image", mime_type="image/png")
    eventually(lambda: len(attachments(ticket)), 1)
    shown = [c for c in ticket.comments() if words in c["plain_body"]]
    assert [comment["public"] for comment in shown] == [True]
    answer = world.words("And a reply")
    ticket.replies(answer)
    eventually(ana.received, [words, answer])


def test_the_owners_words_are_not_sent_although_nobody_knows_whether_they_were_written(world: World) -> None:
    world.faults(whatsapp_coexistence=True)
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"helpdesk.drop_answer": 1})
    words = world.words("Said on the phone")
    act(ana, "echoes", text=words)
    eventually(lambda: any(words in comment["plain_body"] for comment in ticket.comments()), True)
    answer = world.words("And a reply meanwhile")
    ticket.replies(answer)
    ana.gets(words, answer, patience_seconds=60)
    world.settle(patience_seconds=60)
    assert sum(words in comment["plain_body"] for comment in ticket.comments()) == 1
    assert ana.received() == [words, answer]


def test_a_call_opens_the_window_and_stands_on_the_ticket(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket(seconds_ago=25 * 3600)
    held = world.words("Are you there")
    ticket.replies(held)
    ticket.note("held")
    act(ana, "call", seconds=20)
    ticket.shows("[Called on WhatsApp]", "[WhatsApp call] Nobody answered")
    ana.gets(held)


def test_news_of_a_number_and_of_a_security_code_are_told_and_open_nothing(world: World) -> None:
    ana, ben = world.customer(), world.customer("Ben")
    ticket = ana.has_ticket()
    for customer in (ana, ben):
        changed = {"type": "customer_identity_changed", "body": "changed"}
        customer.writes(message={"type": "system", "system": changed})
    ticket.note("security code has changed")
    world.settle()
    assert world.tickets(ben) == []


def test_history_of_the_app_is_put_on_the_ticket_on_request_and_once(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    number = world.get("/whatsapp/numbers")[0]
    before, ours = world.words("A year ago"), world.words("We answered")
    at = int(world.now().timestamp()) - 86_400 * 90
    messages = [
        {
            "from": number["display_phone_number"],
            "id": f"wamid.{ours[-10:]}",
            "timestamp": str(at + 60),
            "type": "text",
        },
        {"from": ana.wa_id, "id": f"wamid.{before[-10:]}", "timestamp": str(at), "type": "text"},
    ]
    for message, text in zip(messages, (ours, before), strict=True):
        message["text"] = {"body": text}
    metadata = {name: number[name] for name in ("phone_number_id", "display_phone_number")}
    threads = [{"id": ana.wa_id, "messages": messages}]
    for chunk in (1, 2):  # Meta repeats itself
        history = [{"metadata": {"phase": 0, "chunk_order": chunk, "progress": 50 * chunk}, "threads": threads}]
        value = {"messaging_product": "whatsapp", "metadata": metadata, "history": history}
        entry = {"id": "1", "changes": [{"field": "history", "value": value}]}
        world.post("/whatsapp/webhook", {"body": {"object": "whatsapp_business_account", "entry": [entry]}})
    world.settle()
    assert not any(before in note for note in ticket.notes())
    for _ in range(2):
        world.installation.run("events", "import-history")
        note = ticket.note(before, ours)
        world.settle()
    assert note.index(before) < note.index(ours)
    assert sum(before in one for one in ticket.notes()) == 1
