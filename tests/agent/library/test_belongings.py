"""Contacts, mail, messages, files, notes, tasks, alarms, lists and the home: kept, changed and taken away."""

import pytest

from .modules import CAST, load

contacts, mail, messages, files, notes, tasks, alarms, songs, cartoons, home = (
    load(name)
    for name in ("contacts", "mail", "messages", "files", "notes", "tasks", "alarms", "songs", "cartoons", "smart_home")
)


def test_people_are_the_same_in_every_module() -> None:
    for seed in range(5):
        state = contacts.initial_state(seed)
        people = {person["name"]: person["email"] for person in CAST["people"]}
        assert all(people[contact["name"]] == contact["email"] for contact in state["contacts"])
        assert {one["from"] for one in mail.initial_state(seed)["mails"]} <= set(people.values())
        chats = messages.initial_state(seed)["chats"]
        assert {member for chat in chats for member in chat["members"]} <= set(people)


def test_a_contact_is_found_changed_and_deleted() -> None:
    state = contacts.initial_state(1)
    added = contacts.add_contact("Mia Wong", "mia@example.org", group="work", state=state)
    assert contacts.find_contact("wong", state=state)["contacts"] == [added]
    with pytest.raises(ValueError, match=f"{added['id']} .* has the address"):
        contacts.add_contact("Other", "MIA@example.org", state=state)
    with pytest.raises(ValueError, match="nothing to change"):
        contacts.update_contact(added["id"], state=state)
    assert contacts.update_contact(added["id"], city="Paris", state=state)["city"] == "Paris"
    assert added["id"] in [one["id"] for one in contacts.list_contacts("work", "paris", state=state)["contacts"]]
    contacts.delete_contact(added["id"], state=state)
    with pytest.raises(ValueError, match="nobody in the address book"):
        contacts.find_contact("wong", state=state)


def test_a_mail_is_answered_to_those_who_are_meant() -> None:
    state = mail.initial_state(2)
    state["mails"][0].update(to=["robin.keller@example.com", "x@example.org"], cc=["y@example.org"])
    answer = mail.reply_to_mail("mail_1", "Yes.", True, state=state)
    assert answer["to"] == [state["mails"][0]["from"]]
    assert state["mails"][-1]["cc"] == ["x@example.org", "y@example.org"]
    assert mail.reply_to_mail(answer["id"], "And?", state=state)["subject"].count("Re: ") == 1
    state["mails"][1]["read"] = False
    assert mail.read_mail("mail_2", state=state)["read"]
    assert "mail_2" not in [one["id"] for one in mail.list_mails(unread_only=True, state=state)["mails"]]
    mail.move_mail("mail_2", "trash", state=state)
    assert [one["id"] for one in mail.list_mails("trash", state=state)["mails"]] == ["mail_2"]
    with pytest.raises(ValueError, match="find_contact"):
        mail.send_mail(["Anna"], "Hi", "", state=state)
    sent = mail.send_mail(["a@example.org", "a@example.org"], "Hello", "Text with 茶", state=state)
    assert sent["to"] == ["a@example.org"]
    assert mail.search_mails("茶", state=state)["mails"][0]["id"] == sent["id"]


def test_chats_keep_their_messages() -> None:
    state = messages.initial_state(3)
    sent = messages.send_chat_message("chat_5", "早上好", state=state)
    assert messages.read_chat("chat_5", 1, state=state)["messages"] == [sent]
    assert messages.search_messages("早上", state=state)["messages"] == [sent]
    with pytest.raises(ValueError, match="same members"):
        messages.start_chat(list(reversed(state["chats"][4]["members"])), "Again", state=state)
    with pytest.raises(ValueError, match="needs a name"):
        messages.start_chat(["A", "B"], state=state)
    assert messages.start_chat(["A"], state=state)["name"] == "A"
    assert messages.mute_chat("chat_1", state=state)["muted"]


def test_files_are_written_moved_and_found_within_their_root() -> None:
    state = files.initial_state(4)
    with pytest.raises(ValueError, match="no directory /letters"):
        files.write_file("/letters/a.txt", "hi", state=state)
    files.make_directory("letters/", state=state)
    files.write_file("/letters//a.txt", "one", state=state)
    with pytest.raises(ValueError, match="set overwrite"):
        files.write_file("/letters/a.txt", "two", state=state)
    files.write_file("/letters/a.txt", " two", append=True, state=state)
    assert files.move_file("/letters/a.txt", "/pictures", state=state)["to"] == "/pictures/a.txt"
    assert files.read_file("/pictures/a.txt", state=state)["content"] == "one two"
    assert files.find_files(text="ONE TWO", state=state)["paths"] == ["/pictures/a.txt"]
    assert "letters" in files.list_directory(state=state)["directories"]
    with pytest.raises(ValueError, match="is a directory"):
        files.write_file("/letters", "x", overwrite=True, state=state)
    with pytest.raises(ValueError, match="must not hold"):
        files.read_file("/documents/../etc/passwd", state=state)
    with pytest.raises(ValueError, match="exists already"):
        files.move_file("/pictures/a.txt", "/pictures/index.txt", state=state)
    with pytest.raises(ValueError, match="at most 20000"):
        files.write_file("/pictures/a.txt", "x" * 20_000, append=True, state=state)
    files.delete_file("/pictures/a.txt", state=state)
    with pytest.raises(ValueError, match="near it are: /pictures/index"):
        files.read_file("/pictures/a.txt", state=state)


def test_notes_are_found_by_text_and_tag() -> None:
    state = notes.initial_state(5)
    note = notes.create_note("Garden", "tulips", ["Home", "home "], state=state)
    assert note["tags"] == ["home"]
    notes.append_to_note(note["id"], "roses", state=state)
    assert notes.find_notes("ROSES", "Home", state=state)["notes"] == [note]
    assert note["text"] == "tulips\nroses"
    with pytest.raises(ValueError, match="append_to_note"):
        notes.create_note("garden", "", state=state)
    notes.delete_note(note["id"], state=state)
    assert notes.create_note("garden", "", state=state)["id"] == "note_7"


def test_tasks_are_listed_in_the_order_in_which_they_are_due() -> None:
    state = tasks.initial_state(6)
    tasks.add_task("First", "2020-01-01", "high", state=state)
    tasks.add_task("Some day", state=state)
    listed = tasks.list_tasks(state=state)["tasks"]
    assert listed[0]["title"] == "First"
    assert [task["due"] is None for task in listed] == sorted(task["due"] is None for task in listed)
    assert [task["title"] for task in tasks.list_tasks(due_before="2020-02-01", state=state)["tasks"]] == ["First"]
    tasks.complete_task(listed[0]["id"], state=state)
    with pytest.raises(ValueError, match="done already"):
        tasks.complete_task(listed[0]["id"], state=state)
    assert listed[0]["id"] in [task["id"] for task in tasks.list_tasks(True, state=state)["tasks"]]
    with pytest.raises(ValueError, match="such as 2026-03-14"):
        tasks.change_task(listed[0]["id"], title="Kept as it was", due="tomorrow", state=state)
    assert listed[0]["title"] == "First"


def test_clocks_and_alarms() -> None:
    state = alarms.initial_state(7)
    berlin, tokyo = (alarms.get_current_time(city, state=state) for city in (None, "东京"))
    assert berlin["time"] == state["now"]
    assert int(tokyo["time"][11:13]) - int(berlin["time"][11:13]) == 8
    alarm = alarms.set_alarm("05:45", days=["Monday", "Monday"], state=state)
    assert alarm["days"] == ["Monday"]
    with pytest.raises(ValueError, match=f"{alarm['id']} already rings"):
        alarms.set_alarm("05:45", days=["Monday"], state=state)
    timer = alarms.start_timer(1440, state=state)
    assert alarms.cancel_alarm(timer["id"], state=state) == {"cancelled": timer}
    with pytest.raises(ValueError, match="HH:MM"):
        alarms.set_alarm("24:00", state=state)


def test_lists_of_songs_and_cartoons_hold_each_once() -> None:
    state = songs.initial_state(8)
    made = songs.create_playlist("新歌单", ["song_1", "song_1", "song_2"], state=state)
    assert [song["id"] for song in made["songs"]] == ["song_1", "song_2"]
    with pytest.raises(ValueError, match="already"):
        songs.add_song_to_playlist(made["id"], "song_2", state=state)
    with pytest.raises(ValueError, match="no song"):
        songs.create_playlist("Broken", ["song_1", "song_99"], state=state)
    assert len(songs.list_playlists(state=state)["playlists"]) == 3
    songs.remove_song_from_playlist(made["id"], "song_1", state=state)
    state = cartoons.initial_state(8)
    watched = state["watchlist"][0]["cartoon_id"]
    with pytest.raises(ValueError, match="on the list already"):
        cartoons.add_to_watchlist(watched, state=state)
    assert not cartoons.mark_cartoon_watched(watched, False, state=state)["watchlist"][0]["watched"]


def test_the_home_does_what_it_is_told() -> None:
    state = home.initial_state(9)
    assert home.set_light("kitchen", True, 40, state=state)["brightness"] == 40
    assert home.set_thermostat("bedroom", 18.5, "eco", state=state)["target_celsius"] == 18.5
    home.run_scene("good night", state=state)
    devices = home.list_devices(state=state)["devices"]
    assert not any(device["on"] for device in devices if device["kind"] == "light")
    assert all(device["locked"] for device in devices if device["kind"] == "lock")
    assert all(device["closed_percent"] == 100 for device in devices if device["kind"] == "blind")
    with pytest.raises(ValueError, match="no blind in 'kitchen'; there are in living room, bedroom"):
        home.set_blind("kitchen", 10, state=state)
    with pytest.raises(ValueError, match="steps of"):
        home.set_thermostat("kitchen", 20.25, state=state)
